/* SPDX-License-Identifier: MIT */
#include "ctl_output.h"

#include "ctl_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int ctl_output_fail_with(int status, const struct buf *text)
{
    struct buf line = BUF_EMPTY;
    size_t at = 0;

    while (at < text->length) {
        const char *start = text->bytes + at;
        const char *end = memchr(start, '\n', text->length - at);
        size_t length = end != NULL ? (size_t)(end - start) : text->length - at;

        buf_clear(&line);
        buf_put_printable(&line, start, length); /* a NUL in it is shown too */
        fprintf(stderr, "visitcountctl: %s\n", line.bytes != NULL ? line.bytes : "");
        at += length + 1;
    }
    buf_finish(&line);
    return status;
}

int ctl_output_fail(int status, const char *format, ...)
{
    struct buf text = BUF_EMPTY;
    va_list arguments;

    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    ctl_output_fail_with(status, &text);
    buf_finish(&text);
    return status;
}

int ctl_output_print(const struct buf *text)
{
    if ((text->length != 0 && fwrite(text->bytes, text->length, 1, stdout) != 1) ||
        fflush(stdout) != 0) {
        return ctl_output_fail(CTL_OUTPUT, "cannot write the answer: %s", strerror(errno));
    }
    return CTL_DONE;
}

int ctl_output_finish(int result, struct buf *out, struct buf *error)
{
    int printed = ctl_output_print(out);

    ctl_output_fail_with(result, error);
    buf_finish(out);
    buf_finish(error);
    return result != CTL_DONE ? result : printed;
}
