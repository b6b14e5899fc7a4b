/* SPDX-License-Identifier: MIT */
#include "http/visit/token.h"

#include "base/map.h"
#include "http/request/router.h"
#include "store/stamp.h"
#include "store/store.h"

#define BITS_BYTES   16
#define BITS_DIGITS  (2 * BITS_BYTES)
#define TIME_LENGTH  (sizeof("1764265812.123-") - 1)
#define TIME_POINT   10
#define STAMP_DIGITS (TIME_LENGTH + BITS_DIGITS)

static bool is_token(h2o_iovec_t value)
{
    if (value.len == 0 || value.len > STORE_TOKEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.base[i] <= ' ' || value.base[i] > '~') {
            return false;
        }
    }
    return true;
}

/* repeats a byte eight times */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Parses eight hexadecimal digits (0-9, a-f) at once. Each byte of the result is the value of one
 * digit. That is the low half of the digit's byte, plus nine for a letter, which has bit 6.
 * `*wrong` becomes other than 0 if any byte is not a digit. The check: a letter's value is 10 to
 * 15, a figure's is less, and value and kind give the original byte.
 */
static uint64_t parse_eight(const char text[static 8], uint64_t *wrong)
{
    uint64_t bytes;
    uint64_t letters;
    uint64_t values;

    memcpy(&bytes, text, sizeof(bytes));
    letters = bytes >> 6 & EACH(1);
    values = (bytes & EACH(15)) + 9 * letters;
    *wrong |= (values & EACH(16)) | (((values + EACH(6)) >> 4 & EACH(1)) ^ letters) |
              (bytes ^ (values + EACH('0') + ('a' - '0' - 10) * letters));
    return values;
}

/*
 * Parses 32 digits into 128 bits. Each byte holds one digit and the digit eight places after it,
 * because restoring their order would take longer. Returns false if any character is not a digit.
 */
static bool parse_halves(const char text[static BITS_DIGITS], uint64_t ret_halves[static 2])
{
    uint64_t wrong = 0;

    for (size_t i = 0; i < 2; i++, text += 16) {
        uint64_t values = parse_eight(text, &wrong) << 4 | parse_eight(text + 8, &wrong);

        ret_halves[i] = le64toh(values);
    }
    return wrong == 0;
}

/* parses `count` decimal digits; `worst` becomes above 9 if any of them is not a digit */
static uint64_t parse_decimal(const char *text, size_t count, unsigned *worst)
{
    uint64_t number = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';

        *worst = digit > *worst ? digit : *worst;
        number = 10 * number + digit;
    }
    return number;
}

/* Parses "1764265812.123-": seconds and milliseconds since 1970, as in nginx's $msec. */
static bool parse_time(const char text[static TIME_LENGTH], uint64_t *ret_ms)
{
    unsigned worst = 0;
    uint64_t seconds = parse_decimal(text, TIME_POINT, &worst);

    *ret_ms = 1000 * seconds + parse_decimal(text + TIME_POINT + 1, 3, &worst);
    return worst <= 9 && text[TIME_POINT] == '.' && text[TIME_LENGTH - 1] == '-';
}

/*
 * Parses "1764265812.123-" and 32 digits, nginx's "$msec-$request_id". The 128 bits are folded into
 * 64. Tokens that differ in only one half stay different.
 */
static bool parse_stamp(h2o_iovec_t value, struct stamp *ret_stamp)
{
    uint64_t halves[2];

    if (value.len != STAMP_DIGITS || !parse_time(value.base, &ret_stamp->ms) ||
        !parse_halves(value.base + TIME_LENGTH, halves)) {
        return false;
    }
    ret_stamp->id = halves[0] * UINT64_C(0x9e3779b97f4a7c15) ^ halves[1];
    return true;
}

static void set_token(struct visit *visit, h2o_iovec_t token, enum store_window window)
{
    visit->token = token.base;
    visit->token_length = token.len;
    visit->token_window = window;
}

/*
 * Sets a token from a header's text. 32 digits (nginx's $request_id) become 16 bytes. Other text is
 * kept; text of 16 bytes gets one more byte, so that it cannot equal such a token. Returns false if
 * the text is not a valid token.
 */
static bool set_text(struct visit *visit, h2o_mem_pool_t *pool, h2o_iovec_t value,
                     enum store_window window)
{
    uint64_t halves[2];

    if (value.len == BITS_DIGITS && parse_halves(value.base, halves)) {
        value = h2o_iovec_init(h2o_mem_alloc_pool(pool, BITS_BYTES), BITS_BYTES);
        halves[0] = htole64(halves[0]);
        halves[1] = htole64(halves[1]);
        memcpy(value.base, halves, BITS_BYTES);
    } else if (!is_token(value)) {
        return false;
    } else if (value.len == BITS_BYTES) {
        value = h2o_strdup(pool, value.base, value.len);
        value.len++; /* the NUL after the text */
    }
    set_token(visit, value, window);
    return true;
}

static void set_attempt(struct visit *visit, h2o_mem_pool_t *pool, h2o_iovec_t value)
{
    struct stamp stamp;

    if (parse_stamp(value, &stamp)) {
        char *bytes = h2o_mem_alloc_pool(pool, STAMP_LENGTH);

        stamp_write(stamp, bytes);
        set_token(visit, h2o_iovec_init(bytes, STAMP_LENGTH), STORE_WINDOW_STAMPED);
    } else {
        (void)set_text(visit, pool, value, STORE_WINDOW_ATTEMPT);
    }
}

static bool is_view(h2o_iovec_t value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return value.len >= TOKEN_VIEW_MIN && value.len <= TOKEN_VIEW_MAX;
}

/* sets the token of a page view: 64 bits that stand for its text */
static void set_view(struct visit *visit, h2o_mem_pool_t *pool, h2o_iovec_t value)
{
    /* public and constant: all instances and versions must make the same of a token */
    static const uint64_t secret[2] = {UINT64_C(0x2f76312f76696577), UINT64_C(0x746f6b656e6b6579)};
    uint64_t bits = htobe64(map_hash(secret, value.base, value.len));
    char *bytes = h2o_mem_alloc_pool(pool, STORE_VIEW_LENGTH);

    memcpy(bytes, &bits, STORE_VIEW_LENGTH);
    set_token(visit, h2o_iovec_init(bytes, STORE_VIEW_LENGTH), STORE_WINDOW_VIEW);
}

/* finds `view` in the query, or in a body of the same form */
static bool find_view(const struct request *request, h2o_iovec_t *ret_value)
{
    h2o_iovec_t body = request->h2o->entity;

    return (request->query.len != 0 && request_parameter(request, "view", ret_value)) ||
           (body.len != 0 && request->method == METHOD_POST &&
            request_find_parameter(&request->h2o->pool, body, "view", ret_value));
}

enum token_status token_read(const struct request *request, const struct client *client,
                             struct visit *visit)
{
    const struct request_headers *headers = &client->headers;
    h2o_mem_pool_t *pool = &request->h2o->pool;
    h2o_iovec_t view;

    set_token(visit, h2o_iovec_init(NULL, 0), STORE_WINDOW_CLIENT);
    if (headers->idempotency_key.len != 0) {
        return set_text(visit, pool, headers->idempotency_key, STORE_WINDOW_CLIENT) ? TOKEN_OK
                                                                                    : TOKEN_BAD_KEY;
    }
    if (find_view(request, &view)) {
        if (!is_view(view)) {
            return TOKEN_BAD_VIEW;
        }
        set_view(visit, pool, view);
    } else if (client->is_behind_proxy) {
        set_attempt(visit, pool, headers->request_id);
    }
    return TOKEN_OK;
}
