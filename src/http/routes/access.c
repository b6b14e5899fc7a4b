/* SPDX-License-Identifier: MIT */
#include "http/routes/access.h"

#include "config/config.h"
#include "http/request/app.h"
#include "http/request/http_error.h"
#include "http/routes/password_guard.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* limit of the header's value; a password has at most 1024 bytes */
#define CREDENTIALS_MAX 2048

#define SCHEME        "Basic "
#define SCHEME_LENGTH (sizeof(SCHEME) - 1)

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

/** Whether the client sent a user name and a password, be it wrong (RFC 7617, 2). */
static bool sends_password(const struct request *request)
{
    h2o_iovec_t header = request_header(request, H2O_TOKEN_AUTHORIZATION);

    return header.len > SCHEME_LENGTH && strncasecmp(header.base, SCHEME, SCHEME_LENGTH) == 0;
}

static bool is_right(const struct request *request, const struct site_rules *rules)
{
    const char *passwords[] = {request->app->config->dashboard_password, rules->password};
    h2o_iovec_t header = request_header(request, H2O_TOKEN_AUTHORIZATION);
    unsigned char text[CREDENTIALS_MAX + 4];
    const char *colon;
    bool is_one = false;
    int length;

    if (header.len > CREDENTIALS_MAX) {
        return false;
    }
    length = EVP_DecodeBlock(text, (const unsigned char *)header.base + SCHEME_LENGTH,
                             (int)(header.len - SCHEME_LENGTH));
    for (size_t at = header.len; length > 0 && header.base[at - 1] == '='; at--) {
        length--; /* EVP_DecodeBlock() counts padding as zero bytes */
    }
    colon = length > 0 ? memchr(text, ':', (size_t)length) : NULL;
    for (size_t i = 0; colon != NULL && i < sizeof(passwords) / sizeof(passwords[0]); i++) {
        size_t sent_length = (size_t)((const char *)text + length - (colon + 1));

        is_one |= is_equal(colon + 1, sent_length, passwords[i]) && passwords[i][0] != '\0';
    }
    return is_one;
}

static bool has_password(const struct request *request, const struct site_rules *rules)
{
    return request->app->config->dashboard_password[0] != '\0' || rules->password[0] != '\0';
}

enum access access_judge(struct request *request, const struct site_rules *rules)
{
    struct password_guard *guard = request->app->password_guard;
    struct budget_charge charge;

    request->is_private = !rules->is_public;
    if (rules->is_public) {
        return ACCESS_OPEN;
    }
    if (!has_password(request, rules) || !sends_password(request) ||
        password_guard_was_rejected(request)) {
        return ACCESS_CLOSED;
    }
    if (!password_guard_admit(guard, request, &charge)) {
        return ACCESS_LATER;
    }
    if (is_right(request, rules)) {
        password_guard_accept(guard, &charge);
        return ACCESS_OPEN;
    }
    return password_guard_reject(guard, request, rules->name) ? ACCESS_CLOSED : ACCESS_LATER;
}

bool access_check(struct request *request, const struct site_rules *rules)
{
    enum access access = access_judge(request, rules);

    if (access != ACCESS_CLOSED) {
        return access == ACCESS_OPEN;
    }
    if (has_password(request, rules)) {
        http_error_respond(request, HTTP_ERROR_PASSWORD_WANTED,
                           "this needs the password of the dashboard");
    } else {
        http_error_respond(request, HTTP_ERROR_PRIVATE,
                           "this is private; the option dashboard.public opens it, "
                           "or dashboard.password for those who know it");
    }
    return false;
}
