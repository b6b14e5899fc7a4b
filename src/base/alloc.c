/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* not by the log, which may allocate */
static void *checked(void *memory)
{
    static const char message[] = "visitcountd: out of memory; the process ends\n";

    if (memory == NULL) {
        ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);

        (void)written;
        abort();
    }
    return memory;
}

/* malloc(3) may return NULL for no bytes */
static size_t at_least_one(size_t size)
{
    return size != 0 ? size : 1;
}

void *alloc_zero(size_t count, size_t size)
{
    return checked(calloc(at_least_one(count), at_least_one(size)));
}

void *alloc_bytes(size_t size)
{
    return checked(malloc(at_least_one(size)));
}

void *alloc_grow(void *memory, size_t size)
{
    return checked(realloc(memory, at_least_one(size)));
}

char *alloc_text(const char *text)
{
    return checked(strdup(text));
}

char *alloc_text_of(const char *text, size_t length)
{
    return checked(strndup(text, length));
}
