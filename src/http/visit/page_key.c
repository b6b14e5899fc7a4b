/* SPDX-License-Identifier: MIT */
#include "http/visit/page_key.h"

#include "base/buf.h"
#include "base/scratch.h"
#include "base/utf8.h"

#include <string.h>

#define INDEX_NAME   "index.html"
#define INDEX_LENGTH (sizeof(INDEX_NAME) - 1)

struct cursor {
    const char *at;
    const char *end;
};

struct segment {
    const char *bytes; /* part of the path, or decoded */
    size_t length;
    char decoded[STORE_PAGE_MAX];
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

/** Decodes the next byte. Returns false if its encoding is invalid. */
static bool decode_byte(struct cursor *cursor, char *ret_byte)
{
    int high;
    int low;

    if (*cursor->at != '%') {
        *ret_byte = *cursor->at++;
        return true;
    }
    if (cursor->end - cursor->at < 3) {
        return false;
    }
    high = hex_digit(cursor->at[1]);
    low = hex_digit(cursor->at[2]);
    if (high < 0 || low < 0) {
        return false;
    }
    *ret_byte = (char)(high << 4 | low);
    cursor->at += 3;
    return true;
}

static enum page_key_status check_text(const char *bytes, size_t length)
{
    size_t at = 0;

    while (at < length) {
        unsigned char c = (unsigned char)bytes[at];
        size_t sequence = 1;

        if (c < 0x20 || c == 0x7f) {
            return PAGE_KEY_CONTROL;
        }
        if (c >= 0x80) {
            sequence = utf8_sequence_length(bytes + at, length - at);
            if (sequence == 0) {
                return PAGE_KEY_BAD_UTF8;
            }
            if (c == 0xc2 && (unsigned char)bytes[at + 1] < 0xa0) {
                return PAGE_KEY_CONTROL; /* C1: U+0080 to U+009F */
            }
        }
        at += sequence;
    }
    return PAGE_KEY_OK;
}

/**
 * Decodes the bytes up to the next "/" or the end. "/" is never part of a longer UTF-8 sequence.
 */
static enum page_key_status decode_segment(struct cursor *cursor, struct segment *segment)
{
    segment->bytes = segment->decoded;
    segment->length = 0;
    while (cursor->at < cursor->end) {
        char c;

        if (!decode_byte(cursor, &c)) {
            return PAGE_KEY_BAD_ENCODING;
        }
        if (c == '/') {
            break;
        }
        if (segment->length == sizeof(segment->decoded)) {
            return PAGE_KEY_TOO_LONG;
        }
        segment->decoded[segment->length++] = c;
    }
    return check_text(segment->decoded, segment->length);
}

/**
 * Like decode_segment(), but refers to the path itself if nothing needs decoding or checking. That
 * holds for nearly all paths.
 */
static enum page_key_status parse_segment(struct cursor *cursor, struct segment *segment)
{
    static const bool is_plain[256] = {
        [' ' ... '$'] = true, ['&' ... '.'] = true, ['0' ... '~'] = true};
    const char *at = cursor->at;

    while (at < cursor->end && is_plain[(unsigned char)*at]) {
        at++;
    }
    if (at < cursor->end && *at != '/') {
        return decode_segment(cursor, segment);
    }
    segment->bytes = cursor->at;
    segment->length = (size_t)(at - cursor->at);
    cursor->at = at < cursor->end ? at + 1 : at;
    return PAGE_KEY_OK;
}

static bool segment_is(const struct segment *segment, const char *name, size_t length)
{
    return segment->length == length && memcmp(segment->bytes, name, length) == 0;
}

/** Appends "/" and a segment. */
static enum page_key_status append(struct page_key *key, const char *bytes, size_t length)
{
    if (length + 1 > STORE_PAGE_MAX - key->length) {
        return PAGE_KEY_TOO_LONG;
    }
    key->bytes[key->length++] = '/';
    memcpy(key->bytes + key->length, bytes, length);
    key->length += length;
    return PAGE_KEY_OK;
}

/**
 * Appends the `index_count` segments "index.html" that were held back as a possible end, then a
 * segment.
 */
static enum page_key_status append_after_index(struct page_key *key, size_t index_count,
                                               const struct segment *segment)
{
    while (index_count-- > 0) {
        if (append(key, INDEX_NAME, INDEX_LENGTH) != PAGE_KEY_OK) {
            return PAGE_KEY_TOO_LONG;
        }
    }
    return append(key, segment->bytes, segment->length);
}

static struct cursor path_without_query(const char *path, size_t length)
{
    const char *end = buf_find_byte(path, path + length, '#');

    return (struct cursor){path, buf_find_byte(path, end, '?')};
}

enum page_key_status page_key_from_path(const char *path, size_t length, struct page_key *ret_key)
{
    struct cursor cursor = path_without_query(path, length);
    SCRATCH struct segment segment;
    SCRATCH struct page_key key;
    size_t index_count = 0;

    key.length = 0;
    while (cursor.at < cursor.end) {
        enum page_key_status status = parse_segment(&cursor, &segment);

        if (status == PAGE_KEY_OK && segment.length != 0) {
            if (segment_is(&segment, ".", 1) || segment_is(&segment, "..", 2)) {
                status = PAGE_KEY_DOT_SEGMENT;
            } else if (segment_is(&segment, INDEX_NAME, INDEX_LENGTH)) {
                index_count++;
            } else {
                status = append_after_index(&key, index_count, &segment);
                index_count = 0;
            }
        }
        if (status != PAGE_KEY_OK) {
            return status;
        }
    }
    if (key.length == 0) {
        key.bytes[key.length++] = '/';
    }
    memcpy(ret_key->bytes, key.bytes, key.length);
    ret_key->bytes[key.length] = '\0';
    ret_key->length = key.length;
    return PAGE_KEY_OK;
}

const char *page_key_status_text(enum page_key_status status)
{
    static const char *const texts[] = {
        [PAGE_KEY_OK] = "the page is valid",
        [PAGE_KEY_BAD_ENCODING] = "the page has a \"%\" without two hexadecimal digits",
        [PAGE_KEY_BAD_UTF8] = "the page is not valid UTF-8",
        [PAGE_KEY_CONTROL] = "the page contains a control character",
        [PAGE_KEY_DOT_SEGMENT] =
            "the page has \".\" or \"..\" in it; it is a name, not a file path",
        [PAGE_KEY_TOO_LONG] = "the page is longer than 512 bytes",
    };

    return texts[status];
}

bool page_key_is_site(const char *name, size_t length)
{
    if (length == 0 || length > STORE_SITE_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return !(length == 1 && name[0] == '.') && !(length == 2 && name[0] == '.' && name[1] == '.');
}
