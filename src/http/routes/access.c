/* SPDX-License-Identifier: MIT */
#include "http/routes/access.h"

#include "config/config.h"
#include "http/request/app.h"
#include "http/request/http_error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* limit of the header's value; a password has at most 1024 bytes */
#define CREDENTIALS_MAX 2048

static void digest(const char *bytes, size_t length, unsigned char ret_digest[EVP_MAX_MD_SIZE])
{
    if (EVP_Digest(bytes, length, ret_digest, NULL, EVP_sha256(), NULL) != 1) {
        abort();
    }
}

/** Compares in constant time, independent of contents and lengths. */
static bool is_equal(const char *one, size_t one_length, const char *other)
{
    unsigned char digests[2][EVP_MAX_MD_SIZE] = {{0}};

    digest(one, one_length, digests[0]);
    digest(other, strlen(other), digests[1]);
    return CRYPTO_memcmp(digests[0], digests[1], sizeof(digests[0])) == 0;
}

bool access_has_password(const struct request *request, const char *password)
{
    static const char scheme[] = "Basic ";
    h2o_iovec_t header = request_header(request, H2O_TOKEN_AUTHORIZATION);
    unsigned char text[CREDENTIALS_MAX + 4];
    size_t prefix = sizeof(scheme) - 1;
    const char *colon;
    int length;

    if (password[0] == '\0' || header.len <= prefix || header.len > CREDENTIALS_MAX ||
        strncasecmp(header.base, scheme, prefix) != 0) {
        return false;
    }
    length = EVP_DecodeBlock(text, (const unsigned char *)header.base + prefix,
                             (int)(header.len - prefix));
    for (size_t at = header.len; length > 0 && header.base[at - 1] == '='; at--) {
        length--; /* EVP_DecodeBlock() counts padding as zero bytes */
    }
    colon = length > 0 ? memchr(text, ':', (size_t)length) : NULL;
    return colon != NULL &&
           is_equal(colon + 1, (size_t)((const char *)text + length - (colon + 1)), password);
}

bool access_is_open(struct request *request, const struct site_rules *rules)
{
    request->is_private = !rules->is_public;
    return rules->is_public ||
           access_has_password(request, request->app->config->dashboard_password);
}

bool access_check(struct request *request, const struct site_rules *rules)
{
    if (access_is_open(request, rules)) {
        return true;
    }
    if (request->app->config->dashboard_password[0] != '\0') {
        http_error_respond(request, HTTP_ERROR_PASSWORD_WANTED,
                           "this needs the password of the dashboard");
    } else {
        http_error_respond(request, HTTP_ERROR_PRIVATE,
                           "this is private; the option dashboard.public opens it, "
                           "or dashboard.password for those who know it");
    }
    return false;
}
