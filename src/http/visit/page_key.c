/* SPDX-License-Identifier: MIT */
#include "http/visit/page_key.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/scratch.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INDEX_NAME   "index.html"
#define INDEX_LENGTH (sizeof(INDEX_NAME) - 1)

/* Room for "/" and the longest path with each byte percent-encoded. */
#define LONG_SIZE (3 * PAGE_KEY_PATH_MAX + 1)

/* what follows a key that is cut: "~" and a hash in hexadecimal */
#define CUT_LENGTH (1 + 16)

struct cursor {
    const char *at;
    const char *end;
};

/* A key on its way, and the memory for the segment that is decoded. Both have `size` bytes. */
struct builder {
    char *key;
    size_t length;
    size_t size;
    size_t index_count; /* segments "index.html" that are held back as a possible end */
    char *decoded;
};

struct text {
    const char *bytes;
    size_t length;
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

/** Checks for control characters up to the first byte that is not UTF-8. */
static enum page_key_status check_text(const char *bytes, size_t length, bool *ret_is_utf8)
{
    size_t at = 0;

    *ret_is_utf8 = true;
    while (at < length) {
        unsigned char c = (unsigned char)bytes[at];
        size_t sequence = 1;

        if (c < 0x20 || c == 0x7f) {
            return PAGE_KEY_CONTROL;
        }
        if (c >= 0x80) {
            sequence = utf8_sequence_length(bytes + at, length - at);
            if (sequence == 0) {
                *ret_is_utf8 = false;
                return PAGE_KEY_OK;
            }
            if (c == 0xc2 && (unsigned char)bytes[at + 1] < 0xa0) {
                return PAGE_KEY_CONTROL; /* C1: U+0080 to U+009F */
            }
        }
        at += sequence;
    }
    return PAGE_KEY_OK;
}

/** Appends a byte to the decoded segment. Returns false if there is no room. */
static bool put_decoded(const struct builder *builder, size_t *length, char byte)
{
    if (*length == builder->size) {
        return false;
    }
    builder->decoded[(*length)++] = byte;
    return true;
}

/**
 * Spells a segment that does not decode to UTF-8: as it stands, with encoded bytes above 0x7f and
 * upper-case digits.
 */
static enum page_key_status spell(const struct builder *builder, struct text segment,
                                  struct text *ret_spelled)
{
    static const char digits[] = "0123456789ABCDEF";
    struct cursor cursor = {segment.bytes, segment.bytes + segment.length};
    size_t length = 0;
    bool fits = true;
    bool is_utf8; /* ASCII is */

    while (cursor.at < cursor.end && fits) {
        bool is_encoded = *cursor.at == '%';
        char byte;

        if (!decode_byte(&cursor, &byte)) { /* a "%" by itself */
            cursor.at++;
            fits = put_decoded(builder, &length, '%');
        } else if (is_encoded || (unsigned char)byte >= 0x80) {
            fits = put_decoded(builder, &length, '%') &&
                   put_decoded(builder, &length, digits[(unsigned char)byte >> 4]) &&
                   put_decoded(builder, &length, digits[byte & 15]);
        } else {
            fits = put_decoded(builder, &length, byte);
        }
    }
    *ret_spelled = (struct text){builder->decoded, length};
    return fits ? check_text(builder->decoded, length, &is_utf8) : PAGE_KEY_TOO_LONG;
}

/** Decodes a segment; see page_key.h for segments that do not decode. */
static enum page_key_status decode(const struct builder *builder, struct text segment,
                                   struct text *ret_decoded)
{
    struct cursor cursor = {segment.bytes, segment.bytes + segment.length};
    enum page_key_status status;
    size_t length = 0;
    bool is_utf8;

    while (cursor.at < cursor.end) {
        char byte;

        if (!decode_byte(&cursor, &byte)) {
            return spell(builder, segment, ret_decoded);
        }
        if (!put_decoded(builder, &length, byte)) {
            return PAGE_KEY_TOO_LONG;
        }
    }
    status = check_text(builder->decoded, length, &is_utf8);
    if (status == PAGE_KEY_OK && !is_utf8) {
        return spell(builder, segment, ret_decoded);
    }
    *ret_decoded = (struct text){builder->decoded, length};
    return status;
}

/** Appends "/" and a segment. */
static enum page_key_status append(struct builder *builder, struct text segment)
{
    if (segment.length + 1 > builder->size - builder->length) {
        return PAGE_KEY_TOO_LONG;
    }
    builder->key[builder->length++] = '/';
    memcpy(builder->key + builder->length, segment.bytes, segment.length);
    builder->length += segment.length;
    return PAGE_KEY_OK;
}

static bool text_is(struct text text, const char *name, size_t length)
{
    return text.length == length && memcmp(text.bytes, name, length) == 0;
}

/** Adds a segment without "/" to the key, by the rules of page_key.h. */
static enum page_key_status add_segment(struct builder *builder, struct text segment)
{
    static const struct text index_name = {INDEX_NAME, INDEX_LENGTH};

    if (segment.length == 0) {
        return PAGE_KEY_OK;
    }
    if (text_is(segment, ".", 1) || text_is(segment, "..", 2)) {
        return PAGE_KEY_DOT_SEGMENT;
    }
    if (text_is(segment, INDEX_NAME, INDEX_LENGTH)) {
        builder->index_count++;
        return PAGE_KEY_OK;
    }
    for (; builder->index_count > 0; builder->index_count--) {
        if (append(builder, index_name) != PAGE_KEY_OK) {
            return PAGE_KEY_TOO_LONG;
        }
    }
    return append(builder, segment);
}

/** Adds a segment that needs decoding. It may contain "/" then. */
static enum page_key_status add_encoded(struct builder *builder, struct text segment)
{
    struct text decoded;
    enum page_key_status status = decode(builder, segment, &decoded);
    const char *at;
    const char *end;

    if (status != PAGE_KEY_OK) {
        return status;
    }
    at = decoded.bytes;
    end = at + decoded.length;
    while (at < end && status == PAGE_KEY_OK) {
        const char *slash = buf_find_byte(at, end, '/');

        status = add_segment(builder, (struct text){at, (size_t)(slash - at)});
        at = slash < end ? slash + 1 : end;
    }
    return status;
}

/**
 * Adds the next segment. It is part of the path itself if nothing needs decoding or checking. That
 * holds for nearly all paths.
 */
static enum page_key_status add_next(struct builder *builder, struct cursor *cursor)
{
    static const bool is_plain[256] = {
        [' ' ... '$'] = true, ['&' ... '.'] = true, ['0' ... '~'] = true};
    const char *start = cursor->at;
    const char *at = start;
    bool needs_decoding;

    while (at < cursor->end && is_plain[(unsigned char)*at]) {
        at++;
    }
    needs_decoding = at < cursor->end && *at != '/';
    if (needs_decoding) {
        at = buf_find_byte(at, cursor->end, '/');
    }
    cursor->at = at < cursor->end ? at + 1 : at;
    return needs_decoding ? add_encoded(builder, (struct text){start, (size_t)(at - start)})
                          : add_segment(builder, (struct text){start, (size_t)(at - start)});
}

static struct cursor path_without_query(const char *path, size_t length)
{
    const char *end = buf_find_byte(path, path + length, '#');

    return (struct cursor){path, buf_find_byte(path, end, '?')};
}

static enum page_key_status build(struct builder *builder, struct cursor cursor)
{
    enum page_key_status status = PAGE_KEY_OK;

    while (cursor.at < cursor.end && status == PAGE_KEY_OK) {
        status = add_next(builder, &cursor);
    }
    if (status == PAGE_KEY_OK && builder->length == 0) {
        builder->key[builder->length++] = '/';
    }
    return status;
}

static void set_key(struct page_key *key, const char *bytes, size_t length)
{
    memcpy(key->bytes, bytes, length);
    key->bytes[length] = '\0';
    key->length = length;
}

/** Cuts a key before a character, and appends a hash of all of it. */
static void set_cut_key(struct page_key *key, const char *bytes, size_t length)
{
    /* public and constant: all versions must make the same key of a path */
    static const uint64_t secret[2] = {UINT64_C(0x2f76312f70616765), UINT64_C(0x6b65792f6c6f6e67)};
    size_t cut = STORE_PAGE_MAX - CUT_LENGTH;
    char hash[CUT_LENGTH + 1];

    while (((unsigned char)bytes[cut] & 0xc0) == 0x80) {
        cut--;
    }
    snprintf(hash, sizeof(hash), "~%016" PRIx64, map_hash(secret, bytes, length));
    memcpy(key->bytes, bytes, cut);
    memcpy(key->bytes + cut, hash, sizeof(hash));
    key->length = cut + CUT_LENGTH;
}

/** Makes the key of a path whose key is longer than a page may be. */
static enum page_key_status make_long_key(struct cursor cursor, struct page_key *ret_key)
{
    static char key[LONG_SIZE]; /* used within this call only */
    static char decoded[LONG_SIZE];
    struct builder builder = {.key = key, .size = sizeof(key), .decoded = decoded};
    enum page_key_status status;

    if (cursor.end - cursor.at > PAGE_KEY_PATH_MAX) {
        return PAGE_KEY_TOO_LONG;
    }
    status = build(&builder, cursor);
    if (status != PAGE_KEY_OK) {
        return status;
    }
    if (builder.length > STORE_PAGE_MAX) {
        set_cut_key(ret_key, key, builder.length);
    } else {
        set_key(ret_key, key, builder.length);
    }
    return PAGE_KEY_OK;
}

enum page_key_status page_key_from_path(const char *path, size_t length, struct page_key *ret_key)
{
    struct cursor cursor = path_without_query(path, length);
    SCRATCH char key[STORE_PAGE_MAX];
    SCRATCH char decoded[STORE_PAGE_MAX];
    struct builder builder = {.key = key, .size = sizeof(key), .decoded = decoded};
    enum page_key_status status = build(&builder, cursor);

    if (status == PAGE_KEY_TOO_LONG) {
        return make_long_key(cursor, ret_key);
    }
    if (status == PAGE_KEY_OK) {
        set_key(ret_key, key, builder.length);
    }
    return status;
}

const char *page_key_status_text(enum page_key_status status)
{
    static const char *const texts[] = {
        [PAGE_KEY_OK] = "the page is valid",
        [PAGE_KEY_CONTROL] = "the page contains a control character",
        [PAGE_KEY_DOT_SEGMENT] =
            "the page has \".\" or \"..\" in it; it is a name, not a file path",
        [PAGE_KEY_TOO_LONG] = "the path of the page is longer than 8192 bytes",
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
