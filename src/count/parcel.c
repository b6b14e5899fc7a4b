/* SPDX-License-Identifier: MIT */
#include "count/parcel.h"

#include <stdlib.h>
#include <string.h>

struct parcel *parcel_create(uint64_t hour, const struct store_entry *entries, size_t entry_count)
{
    size_t size_bytes = sizeof(struct parcel) + entry_count * sizeof(*entries);
    struct store_entry *copies;
    struct parcel *parcel;
    char *names;

    for (size_t i = 0; i < entry_count; i++) {
        size_bytes += entries[i].page_length + 1;
    }
    parcel = calloc(1, size_bytes);
    if (parcel == NULL) {
        abort();
    }
    copies = (struct store_entry *)(parcel + 1);
    names = (char *)(copies + entry_count);
    for (size_t i = 0; i < entry_count; i++) {
        copies[i] = entries[i];
        copies[i].page = memcpy(names, entries[i].page, entries[i].page_length);
        names += entries[i].page_length + 1;
        parcel->hits += entries[i].hits;
    }
    list_init(&parcel->link);
    parcel->size_bytes = size_bytes;
    parcel->content.hour = hour;
    parcel->content.entries = copies;
    parcel->content.entry_count = entry_count;
    return parcel;
}

void parcel_destroy(struct parcel *parcel)
{
    free(parcel);
}
