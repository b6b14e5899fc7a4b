/* SPDX-License-Identifier: MIT */
/**
 * utf8: checks, measures and decodes UTF-8.
 */
#ifndef VISITCOUNTD_BASE_UTF8_H
#define VISITCOUNTD_BASE_UTF8_H

#include <stddef.h>

/**
 * Returns the length of the UTF-8 sequence at `bytes` (1-4), or 0 if it is not valid. Overlong
 * forms, surrogates and values above U+10FFFF are not valid (RFC 3629, section 3).
 */
size_t utf8_sequence_length(const char *bytes, size_t length);

/**
 * Returns the code point of the valid sequence at `bytes` if it could mislead a reader, else 0.
 * Misleading are control characters (U+0080-U+009F), line ends (U+2028, U+2029), and characters
 * that reorder the following text (U+202A-U+202E, U+2066-U+2069). Joiners and marks of direction
 * are not.
 */
unsigned utf8_misleading(const char *bytes, size_t sequence);

/** Returns how many terminal columns valid UTF-8 takes. Each character counts as one column. */
size_t utf8_width(const char *bytes, size_t length);

/**
 * Decodes one character from a valid UTF-8 sequence. utf8_sequence_length() returns its `length` in
 * bytes.
 */
unsigned utf8_decode(const char *bytes, size_t length);

#endif
