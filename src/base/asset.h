/* SPDX-License-Identifier: MIT */
/**
 * asset: embeds files into the program. ASSET() puts the bytes of a file into read-only data at
 * compile time. ASSET_DECLARE() declares them for other sources.
 *
 * `path` is relative to the working directory of the compiler, which is the repository's root.
 */
#ifndef VISITCOUNTD_BASE_ASSET_H
#define VISITCOUNTD_BASE_ASSET_H

#include <stdint.h>

/** Declares `name`, the bytes and a final NUL, and `name`_length, their number without the NUL. */
#define ASSET_DECLARE(name)   \
    extern const char name[]; \
    extern const uint64_t name##_length

/** Defines an asset from one file. ASSET_JOINED() concatenates two files. */
#define ASSET(name, path) ASSET_OF(name, ".incbin \"" path "\"\n")
#define ASSET_JOINED(name, path, other) \
    ASSET_OF(name, ".incbin \"" path "\"\n.incbin \"" other "\"\n")

/* "%object" instead of "@object", because "@" begins a comment on ARM */
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
