/* SPDX-License-Identifier: MIT */
#include "store/salt.h"

#include "base/require.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SECONDS_PER_DAY 86400
#define TTL_MIN_S       3600
/* only a clock that was ahead when the day was chosen would give a longer time */
#define TTL_MAX_S (6 * SECONDS_PER_DAY)

void salt_draw(char ret_salt[STORE_SALT_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[STORE_SALT_LENGTH / 2];
    ssize_t length;

    require(ret_salt != NULL);
    do {
        length = getrandom(bytes, sizeof(bytes), 0);
    } while (length < 0 && errno == EINTR);
    if (length != (ssize_t)sizeof(bytes)) {
        abort();
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        ret_salt[2 * i] = digits[bytes[i] >> 4];
        ret_salt[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_salt[STORE_SALT_LENGTH] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
}

uint64_t salt_ttl_s(uint64_t day)
{
    /* a local day ends up to 12 h after the UTC day; two days are added to that */
    uint64_t end_s = (day + 3) * SECONDS_PER_DAY + SECONDS_PER_DAY / 2;
    uint64_t now_s = clock_wall_ms() / 1000;
    uint64_t ttl_s = end_s > now_s + TTL_MIN_S ? end_s - now_s : TTL_MIN_S;

    return ttl_s < TTL_MAX_S ? ttl_s : TTL_MAX_S;
}
