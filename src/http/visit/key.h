/* SPDX-License-Identifier: MIT */
/**
 * key: what a visitor's path names. The one place where names of sites and keys of pages are made
 * from what a client sent.
 *
 * A page key is text, not a file path. Its one form: it begins with "/", has no empty segment, and
 * does not end in "/" unless it is the root page "/". It comes from a path by these rules:
 *
 *   - The path ends before the first "?" or "#".
 *   - Percent-encoding is taken off once ("%2541" is the page "%41"); what then is "/" separates
 *     segments like any other ("a%2Fb" is "a/b"). An encoding that is none is refused.
 *   - The result is UTF-8 (RFC 3629) without control characters (C0, DEL, C1), or refused. Nothing
 *     else is changed: letters keep their case, no Unicode normalisation.
 *   - Empty segments are left out: "//a///b/" is "/a/b".
 *   - Segments "." and ".." are refused: resolving them would count a page that the client did not
 *     name, keeping them would count one page under two keys.
 *   - "index.html" at the end is left out: "/blog/index.html" is "/blog".
 *   - 1 to STORE_PAGE_MAX bytes remain.
 */
#ifndef VISITCOUNTD_HTTP_KEY_H
#define VISITCOUNTD_HTTP_KEY_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

/** The key of a page. */
struct key {
    size_t length;
    char bytes[STORE_PAGE_MAX + 1]; /* NUL-terminated; no NUL inside */
};

enum key_status {
    KEY_OK,
    KEY_BAD_ENCODING, /* "%" without two hexadecimal digits */
    KEY_BAD_UTF8,
    KEY_CONTROL,     /* a control character */
    KEY_DOT_SEGMENT, /* "." or ".." */
    KEY_TOO_LONG
};

/** Makes the key of a still percent-encoded path of `length` bytes, with or without leading "/". */
enum key_status key_from_path(const char *path, size_t length, struct key *ret_key);

/** What is wrong, for people: "the page is not valid UTF-8". */
const char *key_status_text(enum key_status status);

/** Whether these bytes are a site's name: [a-z0-9._-]{1,64}, but not "." or "..". */
bool key_is_site(const char *name, size_t length);

#endif
