/* SPDX-License-Identifier: MIT */
#include "config/secret.h"

#include "config/source.h"

#include <string.h>

/* a longer file is not a secret */
#define SECRET_BYTES_MAX 4096

/* rejects NUL bytes, because a C string would end there */
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
