/* SPDX-License-Identifier: MIT */
/**
 * alloc: memory for small objects of bounded size. A process that gets none cannot go on: these
 * functions never return NULL, they say so on standard error and abort.
 *
 * The caller frees the result with free(3). What a client sizes is bounded before it is allocated.
 */
#ifndef VISITCOUNTD_BASE_ALLOC_H
#define VISITCOUNTD_BASE_ALLOC_H

#include <stddef.h>

/** `count` objects of `size` bytes each, all bytes zero. */
void *alloc_zero(size_t count, size_t size) __attribute__((returns_nonnull, malloc));

/** `size` bytes of any content. */
void *alloc_bytes(size_t size) __attribute__((returns_nonnull, malloc));

/** `memory`, which may be NULL, with room for `size` bytes; it may move. See realloc(3). */
void *alloc_grow(void *memory, size_t size) __attribute__((returns_nonnull));

/** A copy of a NUL-terminated text, or of its first `length` bytes. */
char *alloc_text(const char *text) __attribute__((returns_nonnull, malloc));
char *alloc_text_of(const char *text, size_t length) __attribute__((returns_nonnull, malloc));

#endif
