/* SPDX-License-Identifier: MIT */
#include "config/secret.h"

#include "config/source.h"

#include <string.h>
#include <sys/stat.h>

/* a file of a secret with more than this is a mistake */
#define SECRET_BYTES_MAX 4096

/* without the newline at its end, and nothing that C would cut */
const char *secret_read(const char *path, struct buf *ret_text)
{
    int rc = source_read_file(path, SECRET_BYTES_MAX, ret_text);

    if (rc < 0) {
        return strerror(-rc);
    }
    buf_puts(ret_text, "");
    if (ret_text->length > 0 && ret_text->bytes[ret_text->length - 1] == '\n') {
        ret_text->bytes[--ret_text->length] = '\0';
    }
    if (ret_text->length > 0 && ret_text->bytes[ret_text->length - 1] == '\r') {
        ret_text->bytes[--ret_text->length] = '\0';
    }
    if (ret_text->length == 0) {
        return "the file is empty";
    }
    return strlen(ret_text->bytes) != ret_text->length ? "there is a NUL byte in the file" : NULL;
}

const char *secret_read_again(const char *path, struct buf *ret_text)
{
    struct stat status;

    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        return "it is no regular file, so it is read at the start only";
    }
    return secret_read(path, ret_text);
}
