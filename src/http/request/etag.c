/* SPDX-License-Identifier: MIT */
#include "http/request/etag.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES ((ETAG_SIZE - 3) / 2)

h2o_iovec_t etag_make(const char *body, size_t length, char text[ETAG_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char *at = text;

    if (EVP_Digest(body, length, digest, NULL, EVP_sha256(), NULL) != 1) {
        abort();
    }
    *at++ = '"';
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        at += sprintf(at, "%02x", digest[i]);
    }
    *at++ = '"';
    *at = '\0';
    return h2o_iovec_init(text, (size_t)(at - text));
}

bool etag_is_known(const struct request *request, h2o_iovec_t etag)
{
    h2o_iovec_t header = request_header(request, H2O_TOKEN_IF_NONE_MATCH);

    return h2o_memis(header.base, header.len, H2O_STRLIT("*")) ||
           memmem(header.base, header.len, etag.base, etag.len) != NULL;
}
