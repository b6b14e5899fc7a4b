/* SPDX-License-Identifier: MIT */
/**
 * page_key: turns the path of a request into a site name and a page key. No other file does this.
 *
 * A page key is text, not a file path. It begins with "/", has no empty segment, and does not end
 * in "/" unless it is the root page "/". These rules turn a path into a key:
 *
 *   - The path ends before the first "?" or "#".
 *   - Percent-encoding is decoded once ("%2541" is the page "%41"). A decoded "/" separates
 *     segments like any other ("a%2Fb" is "a/b").
 *   - A segment of the path that does not decode to UTF-8 (RFC 3629), or has a "%" without two
 *     hexadecimal digits, is not decoded: "/100%" is "/100%", and "/caf%e9" is "/caf%E9". Its
 * digits become upper case, and its bytes above 0x7f are encoded. So each spelling has one key.
 *   - Control characters (C0, DEL, C1) are refused. Nothing else changes: letters keep their case,
 *     and there is no Unicode normalisation.
 *   - Empty segments are dropped: "//a///b/" is "/a/b".
 *   - Segments "." and ".." are refused. Resolving them would count a page that the client did not
 *     name; keeping them would count one page under two keys.
 *   - "index.html" at the end is dropped: "/blog/index.html" is "/blog".
 *   - A key has 1 to STORE_PAGE_MAX bytes. A longer one is cut, and ends with "~" and a hash of all
 *     of it in 16 hexadecimal digits. A path of more than PAGE_KEY_PATH_MAX bytes is refused.
 *
 * The snippet (src/web/count.js) has the same rules. tests/page_keys.json has cases for both.
 */
#ifndef VISITCOUNTD_HTTP_PAGE_KEY_H
#define VISITCOUNTD_HTTP_PAGE_KEY_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

/** Longest path that names a page, in bytes. */
#define PAGE_KEY_PATH_MAX 8192

/** The key of a page. */
struct page_key {
    size_t length;
    char bytes[STORE_PAGE_MAX + 1]; /* NUL-terminated; no NUL inside */
};

enum page_key_status {
    PAGE_KEY_OK,
    PAGE_KEY_CONTROL,     /* a control character */
    PAGE_KEY_DOT_SEGMENT, /* "." or ".." */
    PAGE_KEY_TOO_LONG     /* the path has more than PAGE_KEY_PATH_MAX bytes */
};

/**
 * Makes the key of a path of `length` bytes. The path is percent-encoded and may lack the leading
 * "/".
 */
enum page_key_status page_key_from_path(const char *path, size_t length, struct page_key *ret_key);

/** Returns a readable message: "the page is not valid UTF-8". */
const char *page_key_status_text(enum page_key_status status);

/** Whether these bytes are a valid site name: [a-z0-9._-]{1,64}, but not "." or "..". */
bool page_key_is_site(const char *name, size_t length);

#endif
