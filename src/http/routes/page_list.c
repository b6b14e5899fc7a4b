/* SPDX-License-Identifier: MIT */
#include "http/routes/page_list.h"

#include <jansson.h>

#include <string.h>

static const char *parse_page(const json_t *value, struct page_list *list)
{
    struct page_key *key = &list->pages[list->count];
    enum page_key_status status = PAGE_KEY_OK;

    if (!json_is_string(value)) {
        return "the pages are strings";
    }
    if (json_string_length(value) == 0) {
        key->length = 0;
        key->bytes[0] = '\0';
        list->has_site = true;
    } else {
        status = page_key_from_path(json_string_value(value), json_string_length(value), key);
    }
    list->count++;
    return status == PAGE_KEY_OK ? NULL : page_key_status_text(status);
}

static const char *parse_list(const json_t *root, struct page_list *list)
{
    size_t count = json_array_size(root); /* 0 if `root` is not a list */
    const char *wrong = NULL;

    if (count == 0 || count > PAGE_LIST_MAX) {
        return "the body is a list of 1 to 100 pages";
    }
    for (size_t i = 0; i < count && wrong == NULL; i++) {
        wrong = parse_page(json_array_get(root, i), list);
    }
    return wrong;
}

/** Returns the place of page `i` among the distinct ones: that of an earlier one, or a new one. */
static size_t find_place(const struct page_list *list, size_t i)
{
    const struct page_key *page = &list->pages[i];

    for (size_t j = 0; j < i; j++) {
        if (list->pages[j].length == page->length &&
            memcmp(list->pages[j].bytes, page->bytes, page->length) == 0) {
            return list->places[j];
        }
    }
    return list->distinct_count;
}

static void find_distinct(struct page_list *list)
{
    list->distinct_count = 0;
    list->names_size = 0;
    for (size_t i = 0; i < list->count; i++) {
        list->places[i] = (uint8_t)find_place(list, i);
        if (list->places[i] == list->distinct_count) {
            list->distinct_count++;
            list->names_size += list->pages[i].length + 1;
        }
    }
}

const char *page_list_parse(const char *json, size_t length, struct page_list *ret_list)
{
    json_t *root = json_loadb(json, length, 0, NULL);
    const char *wrong;

    ret_list->count = 0;
    ret_list->has_site = false;
    wrong = root != NULL ? parse_list(root, ret_list) : "the body is not JSON";
    json_decref(root);
    if (wrong == NULL) {
        find_distinct(ret_list);
    }
    return wrong;
}
