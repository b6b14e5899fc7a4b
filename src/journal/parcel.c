/* SPDX-License-Identifier: MIT */
#include "journal/parcel.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static size_t measure(const struct store_batch *content)
{
    size_t bytes = sizeof(struct parcel) + content->entry_count * sizeof(*content->entries) +
                   content->token_count * sizeof(*content->tokens) +
                   content->visitor_count * sizeof(*content->visitors);

    for (size_t i = 0; i < content->entry_count; i++) {
        bytes += content->entries[i].page_length + 1;
    }
    for (size_t i = 0; i < content->token_count; i++) {
        bytes += content->tokens[i].length;
    }
    return bytes;
}

/* copies names and tokens to `bytes`, which are large enough and zero */
static void copy_content(struct parcel *parcel, const struct store_batch *content,
                         struct store_entry *entries, struct store_token *tokens, char *bytes)
{
    for (size_t i = 0; i < content->entry_count; i++) {
        entries[i] = content->entries[i];
        entries[i].page = memcpy(bytes, content->entries[i].page, entries[i].page_length);
        bytes += entries[i].page_length + 1;
        parcel->hits += entries[i].hits;
    }
    for (size_t i = 0; i < content->token_count; i++) {
        tokens[i] = content->tokens[i];
        tokens[i].bytes = memcpy(bytes, content->tokens[i].bytes, tokens[i].length);
        bytes += tokens[i].length;
    }
}

struct parcel *parcel_create(const struct store_batch *content)
{
    size_t size_bytes = measure(content);
    struct parcel *parcel = alloc_zero(1, size_bytes);
    struct store_entry *entries = (struct store_entry *)(parcel + 1);
    struct store_token *tokens = (struct store_token *)(entries + content->entry_count);
    struct store_visitor *visitors = (struct store_visitor *)(tokens + content->token_count);

    list_init(&parcel->link);
    parcel->size_bytes = size_bytes;
    parcel->content.hour = content->hour;
    parcel->content.day = content->day;
    parcel->content.second = content->second;
    parcel->content.entries = entries;
    parcel->content.entry_count = content->entry_count;
    parcel->content.tokens = tokens;
    parcel->content.token_count = content->token_count;
    parcel->content.pages_max = content->pages_max;
    parcel->content.visitors = visitors;
    parcel->content.visitor_count = content->visitor_count;
    if (content->visitor_count != 0) {
        memcpy(visitors, content->visitors, content->visitor_count * sizeof(*visitors));
    }
    copy_content(parcel, content, entries, tokens, (char *)(visitors + content->visitor_count));
    return parcel;
}

/* the memory behind the content is the parcel's own */
static void drop_tokens(struct store_batch *content, const uint64_t *totals)
{
    struct store_token *tokens = (struct store_token *)content->tokens;
    size_t kept = 0;

    for (size_t i = 0; i < content->token_count; i++) {
        if (totals[tokens[i].entry] != STORE_NONE) {
            tokens[kept++] = tokens[i];
        }
    }
    content->token_count = kept;
}

static void drop_visitors(struct store_batch *content, const uint64_t *totals)
{
    struct store_visitor *visitors = (struct store_visitor *)content->visitors;
    size_t kept = 0;

    for (size_t i = 0; i < content->visitor_count; i++) {
        if (totals[visitors[i].entry] != STORE_NONE) {
            visitors[kept++] = visitors[i];
        }
    }
    content->visitor_count = kept;
}

void parcel_settle(struct parcel *parcel, const uint64_t *totals)
{
    struct store_batch *content = &parcel->content;
    struct store_entry *entries = (struct store_entry *)content->entries;
    bool is_refused = false;

    content->pages_max = 0;
    for (size_t i = 0; i < content->entry_count; i++) {
        if (totals[i] == STORE_NONE) {
            entries[i].hits = 0;
            is_refused = true;
        }
    }
    if (is_refused) {
        drop_tokens(content, totals);
        drop_visitors(content, totals);
    }
}

void parcel_destroy(struct parcel *parcel)
{
    free(parcel);
}
