/* SPDX-License-Identifier: MIT */
#include "journal/journal_record.h"

#include "base/require.h"

#include "base/alloc.h"
#include "store/stamp.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_BYTES (STORE_EPOCH_LENGTH / 2)

/* "g" and the digits in front of an epoch; they take four bytes in a record */
#define GENERATION_LENGTH 8

/* a flag in the length of the site's name: the epoch names its generation */
#define WITH_GENERATION 0x80

/* the shortest entry (a name of no bytes) and the shortest token (of one byte) */
#define ENTRY_BYTES_MIN 10
#define TOKEN_BYTES_MIN 7
#define VISITOR_BYTES   12

/* --- writing --- */

static void put_u8(struct buf *out, size_t value)
{
    buf_putc(out, (char)value);
}

static void put_u16(struct buf *out, size_t value)
{
    uint16_t bytes = htole16((uint16_t)value);

    buf_append(out, &bytes, sizeof(bytes));
}

static void put_u32(struct buf *out, size_t value)
{
    uint32_t bytes = htole32((uint32_t)value);

    buf_append(out, &bytes, sizeof(bytes));
}

static void put_u64(struct buf *out, uint64_t value)
{
    uint64_t bytes = htole64(value);

    buf_append(out, &bytes, sizeof(bytes));
}

static unsigned hex_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = digit != '\0' ? strchr(digits, digit) : NULL;

    if (found == NULL) {
        abort(); /* not an epoch */
    }
    return (unsigned)(found - digits);
}

/* whether an epoch names its generation; epochs of versions before 0.2 do not */
static bool has_generation(const char *epoch)
{
    return *epoch == 'g';
}

static void put_epoch(struct buf *out, const char *epoch)
{
    size_t at = 0;

    if (has_generation(epoch)) {
        char digits[GENERATION_LENGTH] = {0};

        memcpy(digits, epoch + 1, GENERATION_LENGTH - 1);
        put_u32(out, strtoul(digits, NULL, 10));
        at = GENERATION_LENGTH;
    }
    for (; at < STORE_EPOCH_LENGTH; at += 2) {
        put_u8(out, hex_value(epoch[at]) << 4 | hex_value(epoch[at + 1]));
    }
}

static void put_entries(struct buf *out, const struct store_batch *content)
{
    put_u32(out, content->entry_count);
    for (size_t i = 0; i < content->entry_count; i++) {
        const struct store_entry *entry = &content->entries[i];

        put_u64(out, entry->hits);
        put_u16(out, entry->page_length);
        buf_append(out, entry->page, entry->page_length);
    }
}

static void put_tokens(struct buf *out, const struct store_batch *content)
{
    put_u32(out, content->token_count);
    for (size_t i = 0; i < content->token_count; i++) {
        const struct store_token *token = &content->tokens[i];

        put_u8(out, (size_t)token->window);
        put_u32(out, token->entry);
        put_u8(out, token->length);
        buf_append(out, token->bytes, token->length);
    }
}

static void put_visitors(struct buf *out, const struct store_batch *content)
{
    put_u32(out, content->visitor_count);
    for (size_t i = 0; i < content->visitor_count; i++) {
        put_u32(out, content->visitors[i].entry);
        put_u64(out, content->visitors[i].hash);
    }
}

void journal_record_encode(const struct journal_record *record, struct buf *out)
{
    const struct store_batch *content = &record->sealed_batch->content;
    size_t site_length = strlen(record->site);

    require(record->sealed_batch->content.sequence != 0);
    require(record->sealed_batch->content.entry_count != 0);
    require(strlen(record->epoch) == STORE_EPOCH_LENGTH);
    put_u8(out, site_length | (has_generation(record->epoch) ? WITH_GENERATION : 0));
    buf_append(out, record->site, site_length);
    put_epoch(out, record->epoch);
    put_u64(out, content->sequence);
    put_u64(out, content->visits);
    put_u64(out, content->hour);
    put_u64(out, content->day);
    put_u64(out, content->second);
    put_entries(out, content);
    put_tokens(out, content);
    put_visitors(out, content);
}

/* --- reading --- */

/* the rest of a payload; after the first error nothing more is read */
struct payload {
    const char *bytes;
    size_t length;
    bool is_bad;
};

/* returns the next `length` bytes, or NULL if there are fewer */
static const char *read_bytes(struct payload *payload, size_t length)
{
    const char *taken = payload->bytes;

    if (payload->is_bad || payload->length < length) {
        payload->is_bad = true;
        return NULL;
    }
    payload->bytes += length;
    payload->length -= length;
    return taken;
}

static uint64_t read_number(struct payload *payload, size_t length)
{
    const char *bytes = read_bytes(payload, length);
    uint64_t value = 0;

    if (bytes == NULL) {
        return 0;
    }
    memcpy(&value, bytes, length);
    return le64toh(value);
}

/* returns a name of `length` bytes, which must not contain a NUL */
static const char *read_name(struct payload *payload, size_t length, size_t length_max)
{
    const char *name = read_bytes(payload, length);

    if (name == NULL || length > length_max || memchr(name, '\0', length) != NULL) {
        payload->is_bad = true;
    }
    return name;
}

static void read_site(struct payload *payload, char ret_site[STORE_SITE_MAX + 1],
                      bool *ret_has_generation)
{
    size_t first = read_number(payload, 1);
    size_t length = first & ~(size_t)WITH_GENERATION;
    const char *site = read_name(payload, length, STORE_SITE_MAX);

    payload->is_bad = payload->is_bad || length == 0;
    if (!payload->is_bad) {
        memcpy(ret_site, site, length);
        ret_site[length] = '\0';
    }
    *ret_has_generation = (first & WITH_GENERATION) != 0;
}

static void read_epoch(struct payload *payload, bool has_generation,
                       char ret_epoch[STORE_EPOCH_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t generation = has_generation ? read_number(payload, 4) : 0;
    size_t length = has_generation ? EPOCH_BYTES - 4 : EPOCH_BYTES;
    const char *bytes = read_bytes(payload, length);
    char *end = ret_epoch;

    if (bytes == NULL || generation > STORE_GENERATION_MAX) {
        payload->is_bad = true;
        return;
    }
    if (has_generation) {
        end += snprintf(ret_epoch, GENERATION_LENGTH + 1, "g%07" PRIu64, generation);
    }
    for (size_t i = 0; i < length; i++) {
        *end++ = digits[(unsigned char)bytes[i] >> 4];
        *end++ = digits[(unsigned char)bytes[i] & 15];
    }
    *end = '\0';
}

/* returns how many members of at least `bytes_min` follow, and allocates them in `ret_members` */
static size_t read_count(struct payload *payload, size_t bytes_min, size_t size, void **ret_members)
{
    size_t count = read_number(payload, 4);

    if (payload->is_bad || count > payload->length / bytes_min) {
        payload->is_bad = true;
        return 0;
    }
    *ret_members = alloc_zero(count != 0 ? count : 1, size);
    return count;
}

static void read_entries(struct payload *payload, struct store_batch *content, void **ret_memory)
{
    size_t count = read_count(payload, ENTRY_BYTES_MIN, sizeof(struct store_entry), ret_memory);
    struct store_entry *entries = *ret_memory;
    uint64_t hits = 0;

    payload->is_bad = payload->is_bad || count == 0;
    for (size_t i = 0; i < count && !payload->is_bad; i++) {
        entries[i].hits = read_number(payload, 8);
        entries[i].page_length = read_number(payload, 2);
        entries[i].page = read_name(payload, entries[i].page_length, STORE_PAGE_MAX);
        if (entries[i].hits == 0 || __builtin_add_overflow(hits, entries[i].hits, &hits)) {
            payload->is_bad = true;
        }
    }
    content->entries = entries;
    content->entry_count = count;
}

static void read_tokens(struct payload *payload, struct store_batch *content, void **ret_memory)
{
    size_t count = read_count(payload, TOKEN_BYTES_MIN, sizeof(struct store_token), ret_memory);
    struct store_token *tokens = *ret_memory;

    for (size_t i = 0; i < count && !payload->is_bad; i++) {
        uint64_t window = read_number(payload, 1);

        tokens[i].window = (enum store_window)window;
        tokens[i].entry = (uint32_t)read_number(payload, 4);
        tokens[i].length = read_number(payload, 1);
        tokens[i].bytes = read_bytes(payload, tokens[i].length);
        if (window >= STORE_WINDOW_COUNT || tokens[i].entry >= content->entry_count ||
            tokens[i].length == 0 || tokens[i].length > STORE_TOKEN_MAX ||
            (window == STORE_WINDOW_STAMPED && tokens[i].length != STAMP_LENGTH) ||
            (window == STORE_WINDOW_VIEW && tokens[i].length != STORE_VIEW_LENGTH)) {
            payload->is_bad = true;
        }
    }
    content->tokens = tokens;
    content->token_count = count;
}

/* visitors are stored in the order of their entries */
static void read_visitors(struct payload *payload, struct store_batch *content, void **ret_memory)
{
    size_t count = read_count(payload, VISITOR_BYTES, sizeof(struct store_visitor), ret_memory);
    struct store_visitor *visitors = *ret_memory;

    for (size_t i = 0; i < count && !payload->is_bad; i++) {
        visitors[i].entry = (uint32_t)read_number(payload, 4);
        visitors[i].hash = read_number(payload, 8);
        if (visitors[i].entry >= content->entry_count ||
            (i != 0 && visitors[i].entry < visitors[i - 1].entry)) {
            payload->is_bad = true;
        }
    }
    content->visitors = visitors;
    content->visitor_count = count;
}

static void read_numbers(struct payload *payload, struct store_batch *content)
{
    content->sequence = read_number(payload, 8);
    content->visits = read_number(payload, 8);
    content->hour = read_number(payload, 8);
    content->day = read_number(payload, 8);
    content->second = read_number(payload, 8);
    payload->is_bad = payload->is_bad || content->sequence == 0;
}

int journal_record_decode(const char *bytes, size_t length, struct journal_record *ret_record)
{
    struct payload payload = {bytes, length, false};
    struct journal_record record = {.sealed_batch = NULL};
    struct store_batch content = {.sequence = 0};
    void *entries = NULL;
    void *tokens = NULL;
    void *visitors = NULL;
    bool has_generation;

    read_site(&payload, record.site, &has_generation);
    read_epoch(&payload, has_generation, record.epoch);
    read_numbers(&payload, &content);
    read_entries(&payload, &content, &entries);
    read_tokens(&payload, &content, &tokens);
    read_visitors(&payload, &content, &visitors);
    if (!payload.is_bad && payload.length == 0) {
        record.sealed_batch = sealed_batch_create(&content);
        record.sealed_batch->content.sequence = content.sequence;
        record.sealed_batch->content.follows = content.sequence - 1;
        record.sealed_batch->content.visits = content.visits;
        record.sealed_batch->is_addressed = true; /* it goes under this number and no other */
        *ret_record = record;
    }
    free(entries);
    free(tokens);
    free(visitors);
    return record.sealed_batch != NULL ? 0 : -EBADMSG;
}
