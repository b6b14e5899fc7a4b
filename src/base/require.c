/* SPDX-License-Identifier: MIT */
#include "base/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* does not use the log, which may be the part that is wrong */
void require_failed(const char *file, int line, const char *expression)
{
    char message[512];
    int length = snprintf(message, sizeof(message),
                          "visitcountd: %s:%d: not true: %s; this is a bug, and the process ends\n",
                          file, line, expression);
    size_t size = (size_t)length < sizeof(message) ? (size_t)length : sizeof(message) - 1;
    ssize_t written = write(STDERR_FILENO, message, size);

    (void)written;
    abort();
}
