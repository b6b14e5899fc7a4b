/* SPDX-License-Identifier: MIT */
/**
 * unparsed_head: finds the mistake in the head of a request that libh2o's parser has refused.
 */
#ifndef VISITCOUNTD_HTTP_UNPARSED_HEAD_H
#define VISITCOUNTD_HTTP_UNPARSED_HEAD_H

#include <stddef.h>

/**
 * Returns the mistake in the first `length` bytes of a head: more than 100 headers, a first header
 * that begins with a space, a space in front of a colon, a CR without LF, a control character, or
 * only that it is malformed. The text is static and has no character that JSON escapes.
 */
const char *unparsed_head_explain(const char *bytes, size_t length);

#endif
