/* SPDX-License-Identifier: MIT */
#include "http/visit/sites.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "config/origin.h"
#include "http/visit/bots.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#define ANY          "*"
#define DEFAULT_NAME "default"
#define DUE_EACH_S   60

struct site {
    struct map_node node; /* in `sites`, by its name */
    struct site_rules rules;
    bool is_listed;
    uint64_t due_minute; /* minute in which it was last added to the store's list */
    char **origins;
    char *password;
    struct page_rule *page_rules;
    char name[STORE_SITE_MAX + 1];
};

struct alias {
    struct map_node node; /* in `aliases` */
    struct site *site;
    char name[STORE_SITE_MAX + 1];
};

struct sites {
    struct map by_name;
    struct map aliases;
    struct site *first;
    struct site *open; /* the rules of unlisted sites; NULL without "*" */
    uint64_t open_limit;
    uint64_t admitted;
};

static void *allocate(size_t size)
{
    void *memory = alloc_zero(1, size);

    return memory;
}

/** Opens a zone. The zone may have disappeared since the configuration was checked. */
static struct zone *open_zone(const char *name)
{
    struct zone *zone = zone_open(name);

    if (zone == NULL) {
        log_error("timezone: %s cannot be read any more; days begin by UTC instead", name);
        zone = zone_open("UTC");
    }
    return zone;
}

static void copy_origins(struct site *site, const struct config_strings *origins)
{
    site->origins = allocate((origins->count + 1) * sizeof(site->origins[0]));
    for (size_t i = 0; i < origins->count; i++) {
        site->origins[i] = alloc_text(origins->items[i]);
    }
    site->rules.origins = (const char *const *)site->origins;
    site->rules.origin_count = origins->count;
}

static void copy_page_rules(struct site *site, const struct config_strings *texts)
{
    site->page_rules = allocate((texts->count + 1) * sizeof(site->page_rules[0]));
    for (size_t i = 0; i < texts->count; i++) {
        /* the configuration was checked, so it is valid */
        (void)page_rule_parse(texts->items[i], &site->page_rules[i]);
    }
    site->rules.page_rules = site->page_rules;
    site->rules.page_rule_count = texts->count;
}

static struct site *make_site(const char *name, size_t length)
{
    struct site *site = allocate(sizeof(*site));

    memcpy(site->name, name, length);
    site->rules.name = site->name;
    site->rules.name_length = length;
    return site;
}

/** The site's own setting if it has one, else the daemon's. */
#define CHOOSE(option, theirs, ours) (config_site_gives(given, SITE_##option) ? (theirs) : (ours))

static struct site *create_site(const struct config *config, const struct config_site *given,
                                const char *name)
{
    struct site *site = make_site(name, strlen(name));
    struct site_rules *rules = &site->rules;

    copy_origins(site, &given->origins);
    copy_page_rules(site, &given->page_rules);
    rules->counts_unique = CHOOSE(count, given->count, config->count_mode) == COUNT_UNIQUE;
    rules->ignores_bots = CHOOSE(bots, given->bots, config->bots) == BOTS_IGNORE;
    rules->bots_own =
        bots_own_create(CHOOSE(bots_add, &given->bots_add, &config->bots_add),
                        CHOOSE(bots_except, &given->bots_except, &config->bots_except));
    rules->keeps_visitors = config->visitors_unique;
    rules->is_public =
        CHOOSE(dashboard, given->dashboard == DASHBOARD_PUBLIC, config->dashboard_public);
    site->password = alloc_text(given->dashboard_password != NULL ? given->dashboard_password : "");
    rules->password = site->password;
    rules->pages_max = CHOOSE(pages, given->pages, config->limits_pages);
    rules->rate = CHOOSE(rate, given->rate, config->limits_rate);
    rules->zone = open_zone(CHOOSE(timezone, given->timezone, config->timezone));
    return site;
}

#undef CHOOSE

static void destroy_site(struct site *site)
{
    if (site == NULL) {
        return;
    }
    for (size_t i = 0; site->origins != NULL && site->origins[i] != NULL; i++) {
        free(site->origins[i]);
    }
    free(site->origins);
    for (size_t i = 0; site->page_rules != NULL && i < site->rules.page_rule_count; i++) {
        page_rule_clear(&site->page_rules[i]);
    }
    free(site->page_rules);
    free(site->password);
    if (site->origins != NULL) {
        zone_close(site->rules.zone); /* admitted sites share those of the open rules */
        bots_own_destroy(site->rules.bots_own);
    }
    free(site);
}

static void insert_site(struct sites *sites, struct site *site)
{
    map_insert(&sites->by_name, &site->node, site->name, site->rules.name_length);
}

static void add_site(struct sites *sites, const struct config *config,
                     const struct config_site *given)
{
    struct site *site = create_site(config, given, given->name);

    site->is_listed = true;
    insert_site(sites, site);
    if (sites->first == NULL) {
        sites->first = site;
    }
    for (size_t i = 0; i < given->aliases.count; i++) {
        struct alias *alias = allocate(sizeof(*alias));
        size_t length = strlen(given->aliases.items[i]);

        alias->site = site;
        memcpy(alias->name, given->aliases.items[i], length);
        map_insert(&sites->aliases, &alias->node, alias->name, length);
    }
}

struct sites *sites_create(const struct config *config)
{
    static const struct config_site silent;
    struct sites *sites = allocate(sizeof(*sites));

    map_init(&sites->by_name);
    map_init(&sites->aliases);
    for (size_t i = 0; i < config->sites.count; i++) {
        const struct config_site *given = &config->sites.items[i];

        if (strcmp(given->name, ANY) == 0) {
            sites->open = create_site(config, given, "");
            sites->open_limit = config->limits_sites;
        } else {
            add_site(sites, config, given);
        }
    }
    if (sites->first == NULL) {
        sites->first = create_site(config, &silent, DEFAULT_NAME);
        sites->first->is_listed = true;
        insert_site(sites, sites->first);
    }
    return sites;
}

void sites_destroy(struct sites *sites)
{
    if (sites == NULL) {
        return;
    }
    map_for_each(node, &sites->aliases) {
        map_remove(&sites->aliases, node);
        free(container_of(node, struct alias, node));
    }
    map_for_each(node, &sites->by_name) {
        map_remove(&sites->by_name, node);
        destroy_site(container_of(node, struct site, node));
    }
    destroy_site(sites->open);
    map_finish(&sites->aliases);
    map_finish(&sites->by_name);
    free(sites);
}

const struct site_rules *sites_find(const struct sites *sites, const char *name, size_t length)
{
    const struct map_node *node;

    /* most visits are for the first site; this skips the hash for them */
    if (length == sites->first->rules.name_length &&
        memcmp(name, sites->first->name, length) == 0) {
        return &sites->first->rules;
    }
    node = map_find(&sites->by_name, name, length);
    if (node != NULL) {
        return &container_of(node, const struct site, node)->rules;
    }
    node = map_find(&sites->aliases, name, length);
    return node != NULL ? &container_of(node, const struct alias, node)->site->rules : NULL;
}

const struct site_rules *sites_open_rules(const struct sites *sites)
{
    return sites->open != NULL ? &sites->open->rules : NULL;
}

uint64_t sites_open_limit(const struct sites *sites)
{
    return sites->open_limit;
}

const struct site_rules *sites_admit(struct sites *sites, const char *name, size_t length)
{
    const struct site_rules *known = sites_find(sites, name, length);
    struct site *site;

    if (known != NULL || sites->open == NULL || sites->admitted >= sites->open_limit) {
        return known;
    }
    site = make_site(name, length);
    site->rules = sites->open->rules;
    site->rules.name = site->name;
    site->rules.name_length = length;
    sites->admitted++;
    insert_site(sites, site);
    return &site->rules;
}

void sites_remember(struct sites *sites, const struct sites *previous)
{
    map_for_each(node, &previous->by_name) {
        const struct site *site = container_of(node, struct site, node);

        if (!site->is_listed) {
            sites_admit(sites, site->name, site->rules.name_length);
        }
    }
}

bool sites_is_due(const struct site_rules *rules, uint64_t second)
{
    uint64_t minute = second / DUE_EACH_S;
    struct site *site = container_of((struct site_rules *)rules, struct site, rules);

    if (!site->is_listed || site->due_minute == minute) {
        return false;
    }
    site->due_minute = minute;
    return true;
}

bool sites_is_listed(const struct site_rules *rules)
{
    return container_of((struct site_rules *)rules, struct site, rules)->is_listed;
}

const char *sites_default(const struct sites *sites)
{
    return sites->first->name;
}

const struct site_rules *sites_default_rules(const struct sites *sites)
{
    return &sites->first->rules;
}

void sites_for_each(const struct sites *sites,
                    void (*on_rules)(void *data, const struct site_rules *rules), void *data)
{
    map_for_each(node, &sites->by_name) {
        const struct site *site = container_of(node, struct site, node);

        if (site->is_listed) {
            on_rules(data, &site->rules);
        }
    }
    if (sites->open != NULL) {
        on_rules(data, &sites->open->rules);
    }
}

bool site_rules_admit_origin(const struct site_rules *rules, const char *origin, size_t length)
{
    for (size_t i = 0; i < rules->origin_count; i++) {
        if (origin_matches(rules->origins[i], origin, length)) {
            return true;
        }
    }
    return rules->origin_count == 0;
}

bool site_rules_admit_page(const struct site_rules *rules, const char *page, size_t length)
{
    for (size_t i = 0; i < rules->page_rule_count; i++) {
        if (page_rule_matches(&rules->page_rules[i], page, length)) {
            return true;
        }
    }
    return rules->page_rule_count == 0;
}
