/* SPDX-License-Identifier: MIT */
#include "count/parcel.h"

#include <stdlib.h>
#include <string.h>

static size_t measure(const struct store_batch *content)
{
    size_t bytes = sizeof(struct parcel) + content->entry_count * sizeof(*content->entries) +
                   content->token_count * sizeof(*content->tokens);

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
    struct parcel *parcel = calloc(1, size_bytes);
    struct store_entry *entries = (struct store_entry *)(parcel + 1);
    struct store_token *tokens = (struct store_token *)(entries + content->entry_count);

    if (parcel == NULL) {
        abort();
    }
    list_init(&parcel->link);
    parcel->size_bytes = size_bytes;
    parcel->content.hour = content->hour;
    parcel->content.day = content->day;
    parcel->content.second = content->second;
    parcel->content.entries = entries;
    parcel->content.entry_count = content->entry_count;
    parcel->content.tokens = tokens;
    parcel->content.token_count = content->token_count;
    copy_content(parcel, content, entries, tokens, (char *)(tokens + content->token_count));
    return parcel;
}

void parcel_destroy(struct parcel *parcel)
{
    free(parcel);
}
