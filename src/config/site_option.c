/* SPDX-License-Identifier: MIT */
#include "config/site_option.h"

#include "base/alloc.h"
#include "config/option_type.h"

#include <stdlib.h>
#include <string.h>

#define ANY "*"

const char *const count_mode_names[] = {"visits", "unique", NULL};
const char *const redis_rewrite_names[] = {"auto", "off", NULL};
const char *const bots_mode_names[] = {"ignore", "count", NULL};
const char *const dashboard_mode_names[] = {"private", "public", NULL};

#define OPTION(field, name, type, min, max, text) \
    {name, &option_type_##type, offsetof(struct config_site, field), "", min, max, 0, NULL, text},
#define CHOICE(field, name, names, text) \
    {name, &option_type_CHOICE, offsetof(struct config_site, field), "", 0, 0, 0, names, text},
#define SECRET_OPTION(field, name, type, min, max, text)                                         \
    {name, &option_type_##type, offsetof(struct config_site, field), "", min, max, SECRET, NULL, \
     text},
const struct option_row site_option_rows[SITE_OPTION_COUNT] = {
#include "config/site_options.def"
};
#undef OPTION
#undef CHOICE
#undef SECRET_OPTION

static void *field_of(const struct option_row *row, const struct config_site *site)
{
    return (char *)site + row->offset;
}

enum site_option site_option_find(const char *name, bool *ret_is_file,
                                  struct suggestion *suggestion)
{
    suggestion_init(suggestion, name);
    for (int option = 0; option < SITE_OPTION_COUNT; option++) {
        const struct option_row *row = &site_option_rows[option];

        for (int is_file = 0; is_file <= ((row->flags & SECRET) != 0 ? 1 : 0); is_file++) {
            char path[OPTION_NAME_MAX];

            option_path(row, is_file != 0, path);
            if (strcmp(path, name) == 0) {
                *ret_is_file = is_file != 0;
                return (enum site_option)option;
            }
            suggestion_offer(suggestion, path);
        }
    }
    return SITE_OPTION_COUNT;
}

int site_option_set(struct config_site *site, enum site_option option,
                    const struct option_input *input, struct buf *problem)
{
    const struct option_row *row = &site_option_rows[option];
    int rc = option_parse(row, input, field_of(row, site), problem);

    if (rc == 0) {
        site->given |= 1u << option;
    }
    return rc;
}

void site_option_clear(struct config_site *site)
{
    for (int option = 0; option < SITE_OPTION_COUNT; option++) {
        option_clear(&site_option_rows[option], field_of(&site_option_rows[option], site));
    }
    free(site->secret_file);
    free(site->place);
    site->secret_file = NULL;
    site->place = NULL;
    site->given = 0;
}

/* names of all sites */

struct claim {
    const char *name;
    const char *site;
};

static int compare_claims(const void *a, const void *b)
{
    return strcmp(((const struct claim *)a)->name, ((const struct claim *)b)->name);
}

static size_t count_names(const struct config_sites *sites)
{
    size_t count = sites->count;

    for (size_t i = 0; i < sites->count; i++) {
        count += sites->items[i].aliases.count;
    }
    return count;
}

static struct claim *sort_names(const struct config_sites *sites, size_t count)
{
    struct claim *claims = alloc_zero(count + 1, sizeof(claims[0]));
    size_t at = 0;

    for (size_t i = 0; i < sites->count; i++) {
        const struct config_site *site = &sites->items[i];

        claims[at++] = (struct claim){site->name, site->name};
        for (size_t j = 0; j < site->aliases.count; j++) {
            claims[at++] = (struct claim){site->aliases.items[j], site->name};
        }
    }
    qsort(claims, count, sizeof(claims[0]), compare_claims);
    return claims;
}

const char *site_option_find_clash(const struct config_sites *sites, const char **ret_one,
                                   const char **ret_other)
{
    size_t count = count_names(sites);
    struct claim *claims = sort_names(sites, count);
    const char *clash = NULL;

    for (size_t i = 1; clash == NULL && i < count; i++) {
        if (strcmp(claims[i - 1].name, claims[i].name) == 0) {
            clash = claims[i].name;
            *ret_one = claims[i - 1].site;
            *ret_other = claims[i].site;
        }
    }
    free(claims);
    return clash;
}

/* the type SITES: one item of the list */

static int parse_sites_item(const struct option_row *row, const char *text, void *ret_value)
{
    struct config_site *site = ret_value;
    int rc = option_type_SITE.parse(row, text, &site->name);

    if (rc == 0) {
        site->given = 1u << SITE_name;
    }
    return rc;
}

static void expect_sites_item(const struct option_row *row, int error, struct buf *out)
{
    option_type_SITE.expect(row, error, out);
    buf_puts(out, ", or \"" ANY "\"");
}

static bool is_sites_group(const void *value)
{
    return ((const struct config_site *)value)->given != 1u << SITE_name;
}

static void print_sites_item(const struct option_row *row, const void *value, struct buf *out)
{
    const struct config_site *site = value;

    (void)row;
    if (!is_sites_group(site)) {
        buf_puts(out, site->name);
        return;
    }
    buf_puts(out, "{ ");
    for (int option = 0; option < SITE_OPTION_COUNT; option++) {
        if (config_site_gives(site, (enum site_option)option)) {
            const struct option_row *member = &site_option_rows[option];

            buf_printf(out, "%s = ", member->path);
            option_print_file(member, field_of(member, site), out);
            buf_puts(out, "; ");
        }
    }
    buf_putc(out, '}');
}

static bool equals_sites_item(const void *a, const void *b)
{
    const struct config_site *one = a;
    const struct config_site *other = b;
    bool are_equal = one->given == other->given;

    for (int option = 0; are_equal && option < SITE_OPTION_COUNT; option++) {
        const struct option_row *row = &site_option_rows[option];

        are_equal = !config_site_gives(one, (enum site_option)option) ||
                    option_equals(row, field_of(row, one), field_of(row, other));
    }
    return are_equal;
}

static void clear_sites_item(void *value)
{
    site_option_clear(value);
}

const struct option_type option_type_SITES = {
    .field_size = sizeof(struct config_sites),
    .item_size = sizeof(struct config_site),
    .form = OPTION_FORM_QUOTED,
    .parse = parse_sites_item,
    .expect = expect_sites_item,
    .equals = equals_sites_item,
    .print = print_sites_item,
    .clear = clear_sites_item,
    .is_group = is_sites_group,
};
