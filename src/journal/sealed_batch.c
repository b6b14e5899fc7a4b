/* SPDX-License-Identifier: MIT */
#include "journal/sealed_batch.h"

#include "base/alloc.h"
#include "base/require.h"

#include <stdlib.h>
#include <string.h>

static size_t measure(const struct store_batch *content)
{
    size_t bytes = sizeof(struct sealed_batch) + content->entry_count * sizeof(*content->entries) +
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

/* copies names and tokens to `bytes`, which is large enough and all zero */
static void copy_content(struct sealed_batch *sealed_batch, const struct store_batch *content,
                         struct store_entry *entries, struct store_token *tokens, char *bytes)
{
    for (size_t i = 0; i < content->entry_count; i++) {
        entries[i] = content->entries[i];
        entries[i].page = memcpy(bytes, content->entries[i].page, entries[i].page_length);
        bytes += entries[i].page_length + 1;
        sealed_batch->hits += entries[i].hits;
    }
    for (size_t i = 0; i < content->token_count; i++) {
        tokens[i] = content->tokens[i];
        tokens[i].bytes = memcpy(bytes, content->tokens[i].bytes, tokens[i].length);
        bytes += tokens[i].length;
    }
    require(bytes == (char *)sealed_batch + sealed_batch->size_bytes);
}

struct sealed_batch *sealed_batch_create(const struct store_batch *content)
{
    size_t size_bytes = measure(content);
    struct sealed_batch *sealed_batch = alloc_zero(1, size_bytes);
    struct store_entry *entries = (struct store_entry *)(sealed_batch + 1);
    struct store_token *tokens = (struct store_token *)(entries + content->entry_count);
    struct store_visitor *visitors = (struct store_visitor *)(tokens + content->token_count);

    require(content->entry_count != 0);
    require(content->token_count == 0 || content->tokens != NULL);
    require(content->visitor_count == 0 || content->visitors != NULL);
    require(content->entries != NULL);
    list_init(&sealed_batch->link);
    sealed_batch->size_bytes = size_bytes;
    sealed_batch->content.hour = content->hour;
    sealed_batch->content.day = content->day;
    sealed_batch->content.second = content->second;
    sealed_batch->content.entries = entries;
    sealed_batch->content.entry_count = content->entry_count;
    sealed_batch->content.tokens = tokens;
    sealed_batch->content.token_count = content->token_count;
    sealed_batch->content.pages_max = content->pages_max;
    sealed_batch->content.visitors = visitors;
    sealed_batch->content.visitor_count = content->visitor_count;
    if (content->visitor_count != 0) {
        memcpy(visitors, content->visitors, content->visitor_count * sizeof(*visitors));
    }
    copy_content(sealed_batch, content, entries, tokens,
                 (char *)(visitors + content->visitor_count));
    return sealed_batch;
}

/* the sealed batch owns the content's memory, so it may be written */
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

void sealed_batch_settle(struct sealed_batch *sealed_batch, const uint64_t *totals)
{
    struct store_batch *content = &sealed_batch->content;
    struct store_entry *entries = (struct store_entry *)content->entries;
    bool is_refused = false;

    require(totals != NULL);
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

void sealed_batch_destroy(struct sealed_batch *sealed_batch)
{
    free(sealed_batch);
}
