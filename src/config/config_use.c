/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "config/error_line.h"
#include "config/loader.h"
#include "config/option.h"
#include "config/option_type.h"
#include "config/site_option.h"

#include <stdlib.h>
#include <string.h>

bool config_has_many_sites(const struct config *config)
{
    return config->sites.count > 1 ||
           (config->sites.count == 1 && strcmp(config->sites.items[0].name, "*") == 0);
}

void config_unload(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        option_clear(&option_rows[i], option_field(&option_rows[i], config));
        free(config->sources[i]);
        free(config->secret_files[i]);
    }
    free(config);
}

bool config_renew_secret(struct config *config, enum config_option option, const char *text,
                         struct buf *problem)
{
    const struct option_row *row = &option_rows[option];
    struct option_text item = {text, OPTION_FORM_PLAIN, NULL};
    const struct option_input input = {&item, 1, false, true};
    union option_value value = {0};

    if (option_parse(row, &input, &value, problem) < 0) {
        option_clear(row, &value);
        return false;
    }
    option_move(row, option_field(row, config), &value);
    option_clear(row, &value);
    return true;
}

char *config_expand(const struct config *config, const char *pattern)
{
    struct buf expanded = BUF_EMPTY;

    for (const char *at = pattern; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 'i') {
            buf_puts(&expanded, config->instance);
            at++;
        } else {
            buf_putc(&expanded, *at);
            at += at[0] == '%' && at[1] == '%';
        }
    }
    return buf_steal(&expanded);
}

/** Expands `pattern`. NULL after an error if it exceeds `max` bytes. The caller frees it. */
static char *expand_within(struct loader *loader, enum config_option option, const char *pattern,
                           size_t max)
{
    char *expanded = config_expand(loader->config, pattern);
    size_t length = strlen(expanded);

    if (length <= max) {
        return expanded;
    }
    loader_error(loader, loader->config->sources[option], option_rows[option].path,
                 "expected a path of at most %zu bytes, got %zu with \"%s\" for %%i", max, length,
                 loader->config->instance);
    free(expanded);
    return NULL;
}

static void expand_addresses(struct loader *loader, enum config_option option,
                             struct config_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        struct address *address = &addresses->items[i];
        char *path = expand_within(loader, option, address->path, sizeof(address->path) - 1);

        if (path != NULL) {
            memcpy(address->path, path, strlen(path) + 1);
        }
        free(path);
    }
}

void loader_expand(struct loader *loader)
{
    for (int i = 0; i < CONFIG_OPTION_COUNT; i++) {
        enum config_option option = (enum config_option)i;
        const struct option_row *row = &option_rows[i];
        void *field = option_field(row, loader->config);

        if (row->type == &option_type_PATTERN) {
            free(expand_within(loader, option, *(char **)field, row->max));
        } else if (row->type == &option_type_ADDRESSES) {
            expand_addresses(loader, option, field);
        }
    }
}

/** Refuses aliases of "*": a name that is not listed has none. */
static void check_any_site(struct loader *loader)
{
    const struct config_sites *sites = &loader->config->sites;

    for (size_t i = 0; i < sites->count; i++) {
        if (strcmp(sites->items[i].name, "*") == 0 && sites->items[i].aliases.count != 0) {
            loader_error(loader, sites->items[i].place, option_rows[CONFIG_sites].path,
                         "\"*\" cannot have aliases");
        }
    }
}

void loader_check_sites(struct loader *loader)
{
    const char *one;
    const char *other;
    const char *clash = site_option_find_clash(&loader->config->sites, &one, &other);

    check_any_site(loader);
    if (clash == NULL) {
        return;
    }
    loader_error(loader, loader->config->sources[CONFIG_sites], option_rows[CONFIG_sites].path,
                 strcmp(one, other) == 0 ? "\"%s\" is there twice, as a name of \"%s\""
                                         : "\"%s\" is a name of both \"%s\" and \"%s\"",
                 clash, one, other);
}

enum store_backend config_store_backend(const struct config *config)
{
    if (config->store_backend != STORE_BACKEND_AUTO) {
        return (enum store_backend)config->store_backend;
    }
    return config->redis_host[0] != '\0' || config->redis_socket[0] != '\0' ? STORE_BACKEND_REDIS
                                                                            : STORE_BACKEND_SQLITE;
}

void config_redis_address(const struct config *config, struct address *ret_address)
{
    struct address address = {.is_unix = config->redis_socket[0] != '\0'};
    const char *host = config->redis_host[0] != '\0' ? config->redis_host : "127.0.0.1";

    if (address.is_unix) {
        memcpy(address.path, config->redis_socket, strlen(config->redis_socket));
    } else {
        memcpy(address.host, host, strlen(host));
        address.port = (uint16_t)config->redis_port;
    }
    *ret_address = address;
}

/** Appends an error: the change of this option needs a restart. */
static void refuse_change(const struct option_row *row, const void *current, const void *next,
                          const char *source, struct buf *errors)
{
    struct buf change = BUF_EMPTY;

    if ((row->flags & SECRET) == 0) {
        buf_puts(&change, " from ");
        option_print_file(row, current, &change);
        buf_puts(&change, " to ");
        option_print_file(row, next, &change);
    }
    buf_puts(&change, " needs a restart");
    error_line(errors, "%s: %s: a change%s", source, row->path, change.bytes);
    buf_finish(&change);
}

bool config_check_reload(const struct config *current, const struct config *next,
                         struct buf *errors)
{
    bool is_possible = true;

    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        const void *before = option_field_const(row, current);
        const void *after = option_field_const(row, next);

        if ((row->flags & RESTART) != 0 && !option_equals(row, before, after)) {
            refuse_change(row, before, after, next->sources[i], errors);
            is_possible = false;
        }
    }
    return is_possible;
}
