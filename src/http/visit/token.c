/* SPDX-License-Identifier: MIT */
#include "http/visit/token.h"

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

/* a byte in each of eight */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * The values of eight digits 0-9, a-f, all at once, each in its byte: a byte's low half is the
 * value of a figure, or nine less than that of a letter, which has bit 6. `*wrong` becomes other
 * than 0 when one is no digit: letters have values from 10 to 15, nothing else has, and value and
 * kind give the byte.
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
 * The 128 bits of 32 digits, not in their order, which would take longer: each byte has one digit
 * and that eight places behind it. False when they are others than these.
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

/* the number that `count` digits are; `worst` becomes above 9 when one of them is none */
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

/* "1764265812.123-": seconds and milliseconds since 1970, as nginx's $msec has them */
static bool parse_time(const char text[static TIME_LENGTH], uint64_t *ret_ms)
{
    unsigned worst = 0;
    uint64_t seconds = parse_decimal(text, TIME_POINT, &worst);

    *ret_ms = 1000 * seconds + parse_decimal(text + TIME_POINT + 1, 3, &worst);
    return worst <= 9 && text[TIME_POINT] == '.' && text[TIME_LENGTH - 1] == '-';
}

/*
 * "1764265812.123-" and 32 digits, as "$msec-$request_id" of nginx: the 128 bits are folded into
 * 64, so that those which differ in one half alone stay different.
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
 * 128 bits as 32 digits, nginx's $request_id, are kept as 16 bytes. Anything else stays as it is,
 * but for text of 16 bytes, which gets one more: no two become the same. False for what is no
 * token.
 */
static bool take_text(struct visit *visit, h2o_mem_pool_t *pool, h2o_iovec_t value,
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
        value.len++; /* the NUL behind it */
    }
    set_token(visit, value, window);
    return true;
}

static void take_attempt(struct visit *visit, h2o_mem_pool_t *pool, h2o_iovec_t value)
{
    struct stamp stamp;

    if (parse_stamp(value, &stamp)) {
        char *bytes = h2o_mem_alloc_pool(pool, STAMP_LENGTH);

        stamp_write(stamp, bytes);
        set_token(visit, h2o_iovec_init(bytes, STAMP_LENGTH), STORE_WINDOW_STAMPED);
    } else {
        (void)take_text(visit, pool, value, STORE_WINDOW_ATTEMPT);
    }
}

bool token_take(h2o_mem_pool_t *pool, const struct client *client, struct visit *visit)
{
    const struct request_headers *headers = &client->headers;

    visit->token = NULL;
    if (headers->idempotency_key.len != 0) {
        return take_text(visit, pool, headers->idempotency_key, STORE_WINDOW_CLIENT);
    }
    if (client->is_behind_proxy) {
        take_attempt(visit, pool, headers->request_id);
    }
    return true;
}
