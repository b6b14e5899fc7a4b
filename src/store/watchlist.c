/* SPDX-License-Identifier: MIT */
#include "store/watchlist.h"

#include "base/require.h"

#include "base/alloc.h"
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

struct watched {
    struct map_node node;
    size_t count; /* number of watches */
    char site[];
};

static struct watched *watched_of(struct map_node *node)
{
    return container_of(node, struct watched, node);
}

static struct watched *find(const struct watchlist *list, const char *site)
{
    struct map_node *node = map_find(&list->sites, site, strlen(site));

    return node != NULL ? watched_of(node) : NULL;
}

void watchlist_init(struct watchlist *list)
{
    map_init(&list->sites);
}

static void drop(struct watchlist *list, struct watched *watched)
{
    map_remove(&list->sites, &watched->node);
    free(watched);
}

void watchlist_finish(struct watchlist *list)
{
    map_for_each(node, &list->sites) {
        drop(list, watched_of(node));
    }
    map_finish(&list->sites);
}

bool watchlist_add(struct watchlist *list, const char *site)
{
    struct watched *watched = find(list, site);
    size_t size = strlen(site) + 1;

    require(site[0] != '\0');
    if (watched != NULL) {
        watched->count++;
        return false;
    }
    watched = alloc_bytes(sizeof(*watched) + size);
    watched->count = 1;
    memcpy(watched->site, site, size);
    map_insert(&list->sites, &watched->node, watched->site, size - 1);
    return true;
}

bool watchlist_remove(struct watchlist *list, const char *site)
{
    struct watched *watched = find(list, site);

    require(site[0] != '\0');
    if (watched == NULL || --watched->count != 0) {
        return false;
    }
    drop(list, watched);
    return true;
}

bool watchlist_has(const struct watchlist *list, const char *site)
{
    return find(list, site) != NULL;
}

bool watchlist_is_empty(const struct watchlist *list)
{
    return map_count(&list->sites) == 0;
}

void watchlist_for_each(const struct watchlist *list, void (*visit)(void *data, const char *site),
                        void *data)
{
    map_for_each(node, &list->sites) {
        visit(data, watched_of(node)->site);
    }
}
