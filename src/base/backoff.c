/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *bytes, size_t length)
{
    char *at = bytes;

    while (length != 0) {
        ssize_t got = getrandom(at, length, 0);

        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            abort();
        }
        at += got;
        length -= (size_t)got;
    }
}

uint64_t backoff_next_ms(struct backoff *backoff)
{
    uint64_t limit_ms = BACKOFF_FIRST_MS;
    uint64_t draw;

    for (unsigned i = 0; i < backoff->failures && limit_ms < BACKOFF_MAX_MS; i++) {
        limit_ms *= 2;
    }
    if (limit_ms > BACKOFF_MAX_MS) {
        limit_ms = BACKOFF_MAX_MS;
    }
    backoff->failures++;
    random_bytes(&draw, sizeof(draw));
    return 1 + draw % limit_ms;
}
