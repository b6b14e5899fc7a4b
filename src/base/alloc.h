/* SPDX-License-Identifier: MIT */
/**
 * alloc: allocates small objects of bounded size. The functions never return NULL. Without memory
 * they write a line to standard error and abort the process.
 *
 * The caller frees the result with free(3). Callers bound every size that a client chooses.
 */
#ifndef VISITCOUNTD_BASE_ALLOC_H
#define VISITCOUNTD_BASE_ALLOC_H

#include <stddef.h>

/** Returns `count` objects of `size` bytes each. All bytes are zero. */
void *alloc_zero(size_t count, size_t size) __attribute__((returns_nonnull, malloc));

/** Returns `size` uninitialised bytes. */
void *alloc_bytes(size_t size) __attribute__((returns_nonnull, malloc));

/** Resizes `memory`, which may be NULL, to `size` bytes and returns it. See realloc(3). */
void *alloc_grow(void *memory, size_t size) __attribute__((returns_nonnull));

/** Returns a copy of a NUL-terminated text. alloc_text_of() copies its first `length` bytes. */
char *alloc_text(const char *text) __attribute__((returns_nonnull, malloc));
char *alloc_text_of(const char *text, size_t length) __attribute__((returns_nonnull, malloc));

#endif
