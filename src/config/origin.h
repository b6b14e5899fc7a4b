/* SPDX-License-Identifier: MIT */
/**
 * origin: the origin of a page, as a browser writes it (RFC 6454, section 6.2), for the sites'
 * `origins`. A host that begins with "*." stands for all its subdomains.
 */
#ifndef VISITCOUNTD_CONFIG_ORIGIN_H
#define VISITCOUNTD_CONFIG_ORIGIN_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/** Whether `text` is an origin in the form that browsers send, or with "*." before the host. */
bool origin_is_valid(const char *text);

/**
 * Appends help for a text that is not valid, starting with "; ": the right form, if the text is an
 * origin in another one. Else nothing.
 */
void origin_explain(const char *text, struct buf *out);

/**
 * Whether the valid origin `rule` means `origin`, of `length` bytes, as a browser sends it. A
 * default port in `rule` means none, because browsers leave it out. "*." means one or more labels.
 */
bool origin_matches(const char *rule, const char *origin, size_t length);

#endif
