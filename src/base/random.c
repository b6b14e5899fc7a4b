/* SPDX-License-Identifier: MIT */
#include "base/random.h"

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
