/* SPDX-License-Identifier: MIT */
/**
 * asset: files that are part of the program. ASSET() puts the bytes of a file into read-only data
 * when its source is compiled; ASSET_DECLARE() makes them known to others.
 *
 * `path` is relative to the directory in which the compiler runs: the repository's.
 */
#ifndef VISITCOUNTD_BASE_ASSET_H
#define VISITCOUNTD_BASE_ASSET_H

#include <stdint.h>

/** `name`, the bytes, with a NUL behind them, and `name`_length, their number without it. */
#define ASSET_DECLARE(name)   \
    extern const char name[]; \
    extern const uint64_t name##_length

/** Bytes of one file, or of two, one behind the other. */
#define ASSET(name, path) ASSET_OF(name, ".incbin \"" path "\"\n")
#define ASSET_JOINED(name, path, other) \
    ASSET_OF(name, ".incbin \"" path "\"\n.incbin \"" other "\"\n")

/* "%object" rather than "@object": "@" begins a comment on ARM */
#define ASSET_OF(name, bytes)                                              \
    __asm__(".pushsection .rodata\n"                                       \
            ".balign 16\n"                                                 \
            ".global " #name "\n"                                          \
            ".type " #name ", %object\n" #name ":\n" bytes #name "_end:\n" \
            ".byte 0\n"                                                    \
            ".size " #name ", . - " #name "\n"                             \
            ".balign 8\n"                                                  \
            ".global " #name "_length\n"                                   \
            ".type " #name "_length, %object\n" #name "_length:\n"         \
            ".quad " #name "_end - " #name "\n"                            \
            ".size " #name "_length, 8\n"                                  \
            ".popsection\n")

#endif
