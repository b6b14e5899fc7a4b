/* SPDX-License-Identifier: MIT */
#include "http/sites.h"

#include "base/list.h"
#include "base/map.h"
#include "http/key.h"

#include <stdlib.h>
#include <string.h>

struct site {
    struct map_node node;
    char name[STORE_SITE_MAX + 1];
};

struct sites {
    struct map by_name;
    uint64_t open_limit;
    char first[STORE_SITE_MAX + 1];
};

static void add_site(struct sites *sites, const char *name)
{
    size_t length = strlen(name);
    struct site *site;

    if (!key_is_site(name, length)) {
        log_error("sites: \"%s\" is not the name of a site (1 to 64 of a-z 0-9 . _ -); left out",
                  name);
        return;
    }
    if (map_find(&sites->by_name, name, length) != NULL) {
        return;
    }
    site = calloc(1, sizeof(*site));
    if (site == NULL) {
        abort();
    }
    memcpy(site->name, name, length);
    map_insert(&sites->by_name, &site->node, site->name, length);
    if (map_count(&sites->by_name) == 1) {
        memcpy(sites->first, site->name, sizeof(sites->first));
    }
}

struct sites *sites_create(const struct config *config)
{
    struct sites *sites = calloc(1, sizeof(*sites));

    if (sites == NULL) {
        abort();
    }
    map_init(&sites->by_name);
    strcpy(sites->first, "default");
    for (size_t i = 0; i < config->sites.count; i++) {
        if (strcmp(config->sites.items[i], "*") == 0) {
            sites->open_limit = config->limits_sites;
        } else {
            add_site(sites, config->sites.items[i]);
        }
    }
    return sites;
}

void sites_destroy(struct sites *sites)
{
    if (sites == NULL) {
        return;
    }
    map_for_each(node, &sites->by_name) {
        struct site *site = container_of(node, struct site, node);

        map_remove(&sites->by_name, node);
        free(site);
    }
    map_finish(&sites->by_name);
    free(sites);
}

bool sites_lists(const struct sites *sites, const char *name, size_t length)
{
    return map_find(&sites->by_name, name, length) != NULL;
}

uint64_t sites_open_limit(const struct sites *sites)
{
    return sites->open_limit;
}

const char *sites_default(const struct sites *sites)
{
    return sites->first;
}
