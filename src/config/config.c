/* SPDX-License-Identifier: MIT */
/* The only file that sees libconfig. */
#include "config/config.h"

#include "base/alloc.h"
#include "config/error_line.h"
#include "config/loader.h"
#include "config/site_option.h"
#include "config/source.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

const char *const store_backend_names[] = {
    "auto",
#define STORE_BACKEND(id, name) #name,
#include "config/store_backends.def"
#undef STORE_BACKEND
    NULL,
};

/** The state of applying the settings of a file. */
struct file_walk {
    struct loader *loader;
    const struct source *source;
};

static void walk_group(struct file_walk *walk, const config_setting_t *group, const char *prefix);

/** Returns "FILE:LINE" of `setting`. The caller frees it. */
static char *describe_place(const struct file_walk *walk, const config_setting_t *setting)
{
    struct buf place = BUF_EMPTY;
    size_t line;
    const char *file = source_where(walk->source, config_setting_source_line(setting), &line);

    buf_printf(&place, "%s:%zu", file, line);
    return buf_steal(&place);
}

/** Appends the value as text. A group or list becomes words that no option accepts. */
static enum option_form print_value(const config_setting_t *setting, struct buf *text)
{
    const char *string = config_setting_get_string(setting);

    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        buf_puts(text, string != NULL ? string : "");
        return OPTION_FORM_QUOTED;
    case CONFIG_TYPE_BOOL:
        buf_puts(text, config_setting_get_bool(setting) ? "true" : "false");
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        buf_printf(text, "%lld", config_setting_get_int64(setting));
        break;
    case CONFIG_TYPE_FLOAT:
        buf_printf(text, "%.15g", config_setting_get_float(setting));
        break;
    case CONFIG_TYPE_GROUP:
        buf_puts(text, "a group");
        break;
    default:
        buf_puts(text, "a list");
    }
    return OPTION_FORM_BARE;
}

/** Makes the input from a scalar, an array or a list of scalars. free_input() frees it. */
static void make_input(const config_setting_t *setting, struct option_input *ret_input)
{
    bool is_list = config_setting_is_array(setting) || config_setting_is_list(setting);
    size_t count = is_list ? (size_t)config_setting_length(setting) : 1;
    struct option_text *items = alloc_zero(count + 1, sizeof(items[0]));

    for (size_t i = 0; i < count; i++) {
        struct buf text = BUF_EMPTY;

        items[i].form =
            print_value(is_list ? config_setting_get_elem(setting, (unsigned)i) : setting, &text);
        items[i].text = buf_steal(&text);
    }
    *ret_input = (struct option_input){items, count, is_list, false};
}

static void free_input(struct option_input *input)
{
    for (size_t i = 0; i < input->count; i++) {
        free((char *)input->items[i].text);
        if (input->items[i].site != NULL) {
            site_option_clear(input->items[i].site);
            free(input->items[i].site);
        }
    }
    free((void *)input->items);
}

/* groups in the list of sites */

/** An option in a site's group, with what its errors begin with. */
struct site_setting {
    enum site_option option;
    const char *place; /* "FILE:LINE" */
    const char *path;  /* "sites.NAME" */
    struct option_input input;
};

/** Notes the file of the site's password. It is read when the name of the site is known. */
static void note_secret_file(const struct file_walk *walk, const struct site_setting *setting,
                             struct config_site *site)
{
    const struct option_text *text = &setting->input.items[0];

    if (setting->input.is_list || text->form != OPTION_FORM_QUOTED) {
        loader_error(walk->loader, setting->place, setting->path,
                     "expected the path of a file in quotes");
    } else if (text->text[0] != '\0') {
        site->secret_file = source_resolve(setting->place, text->text);
    }
}

static void set_site_option(const struct file_walk *walk, const struct site_setting *setting,
                            struct config_site *site)
{
    const struct option_text *text = &setting->input.items[0];
    bool is_secret = (site_option_rows[setting->option].flags & SECRET) != 0;
    struct buf problem = BUF_EMPTY;

    if (is_secret && !setting->input.is_list && text->form == OPTION_FORM_QUOTED &&
        text->text[0] == '\0') {
        return; /* counts as absent, as for the options outside of groups */
    }
    if (site_option_set(site, setting->option, &setting->input, &problem) < 0) {
        loader_error(walk->loader, setting->place, setting->path, "%s", problem.bytes);
    }
    buf_finish(&problem);
}

static void walk_site_option(const struct file_walk *walk, const config_setting_t *setting,
                             struct config_site *site)
{
    const char *name = config_setting_name(setting);
    char *place = describe_place(walk, setting);
    struct buf path = BUF_EMPTY;
    struct site_setting target = {.place = place};
    struct suggestion suggestion;
    const char *nearest;
    bool is_file;

    target.option = site_option_find(name, &is_file, &suggestion);
    nearest = suggestion_get(&suggestion);
    buf_printf(&path, "%s.%s", option_rows[CONFIG_sites].path, name);
    target.path = path.bytes;
    make_input(setting, &target.input);
    if (target.option == SITE_OPTION_COUNT) {
        loader_error(walk->loader, place, path.bytes, "unknown option of a site%s%s%s",
                     nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "?" : "");
    } else if (is_file) {
        note_secret_file(walk, &target, site);
    } else {
        set_site_option(walk, &target, site);
    }
    free_input(&target.input);
    buf_finish(&path);
    free(place);
}

/** Makes a site of a group. Skips wrong options after an error; NULL if there is no name. */
static struct config_site *walk_site(struct file_walk *walk, const config_setting_t *group)
{
    struct config_site *site = alloc_zero(1, sizeof(*site));
    int count = config_setting_length(group);

    site->place = describe_place(walk, group);
    for (int i = 0; i < count; i++) {
        walk_site_option(walk, config_setting_get_elem(group, (unsigned)i), site);
    }
    if (config_site_gives(site, SITE_name)) {
        loader_read_site_secret(walk->loader, site);
        return site;
    }
    if (config_setting_get_member(group, site_option_rows[SITE_name].path) == NULL) {
        loader_error(walk->loader, site->place, option_rows[CONFIG_sites].path,
                     "a site's group needs its name: { name = \"…\"; … }");
    }
    site_option_clear(site);
    free(site);
    return NULL;
}

/** Parses the groups in `list` into the items of `input`, made from `list`. False on errors. */
static bool parse_groups(struct file_walk *walk, const config_setting_t *list,
                         struct option_input *input)
{
    struct option_text *items = (struct option_text *)input->items;
    bool is_whole = true;

    for (size_t i = 0; input->is_list && i < input->count; i++) {
        const config_setting_t *item = config_setting_get_elem(list, (unsigned)i);

        if (!config_setting_is_group(item)) {
            continue;
        }
        items[i].form = OPTION_FORM_GROUP;
        items[i].site = walk_site(walk, item);
        if (items[i].site == NULL) {
            is_whole = false;
        } else {
            free((char *)items[i].text);
            items[i].text = alloc_text(items[i].site->name);
        }
    }
    return is_whole;
}

static void set_option(struct file_walk *walk, const struct setting *setting)
{
    const struct option_text *text = &setting->input.items[0];
    bool is_string = !setting->input.is_list && text->form == OPTION_FORM_QUOTED;
    const struct option_row *row = &option_rows[setting->option];
    char path[OPTION_NAME_MAX];
    char *resolved;

    if ((row->flags & SECRET) != 0 && is_string && text->text[0] == '\0') {
        return; /* counts as absent, so that the file may also name the secret's file */
    }
    if (!setting->is_file) {
        loader_set(walk->loader, setting);
        return;
    }
    if (!is_string) {
        loader_error(walk->loader, setting->source, option_path(row, true, path),
                     "expected the path of a file in quotes");
        return;
    }
    resolved = source_resolve(setting->source, text->text);
    loader_set_text(walk->loader, *setting, resolved);
    free(resolved);
}

static bool is_group_path(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        if (strncmp(option_rows[i].path, path, length) == 0 && option_rows[i].path[length] == '.') {
            return true;
        }
    }
    return false;
}

static void walk_setting(struct file_walk *walk, const config_setting_t *setting, const char *path)
{
    char *place = describe_place(walk, setting);
    struct setting target = {.layer = LAYER_FILE, .source = place};

    target.option = option_find(path, &target.is_file);
    if (target.option != CONFIG_OPTION_COUNT) {
        make_input(setting, &target.input);
        if (target.option != CONFIG_sites || parse_groups(walk, setting, &target.input)) {
            set_option(walk, &target);
        }
        free_input(&target.input);
    } else if (!is_group_path(path)) {
        loader_reject_path(walk->loader, place, path);
    } else if (config_setting_is_group(setting)) {
        walk_group(walk, setting, path);
    } else {
        loader_error(walk->loader, place, path, "expected a group: %s = { … }", path);
    }
    free(place);
}

static void walk_group(struct file_walk *walk, const config_setting_t *group, const char *prefix)
{
    int count = config_setting_length(group);

    for (int i = 0; i < count; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        struct buf path = BUF_EMPTY;

        buf_printf(&path, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "",
                   config_setting_name(setting));
        walk_setting(walk, setting, path.bytes);
        buf_finish(&path);
    }
}

/** Parses the text with libconfig, and applies its settings. */
static void parse_source(struct loader *loader, const struct source *source)
{
    struct file_walk walk = {loader, source};
    config_t tree;

    config_init(&tree);
    if (config_read_string(&tree, source->text.bytes) == CONFIG_TRUE) {
        walk_group(&walk, config_root_setting(&tree), "");
    } else {
        size_t line;
        const char *file = source_where(source, (size_t)config_error_line(&tree), &line);

        error_line(loader->errors, "%s:%zu: %s", file, line, config_error_text(&tree));
        loader->failed = true;
    }
    config_destroy(&tree);
}

static void load_file(struct loader *loader)
{
    const char *given = loader->request->file;
    const char *path = given != NULL ? given : CONFIG_DEFAULT_FILE;
    struct source source;
    int rc;

    source_init(&source);
    rc = source_read(&source, path, loader->errors);
    if (rc == 0) {
        parse_source(loader, &source);
    } else if (rc > 0) {
        loader->failed = true;
    } else if (given != NULL || (rc != -ENOENT && rc != -ENOTDIR)) {
        loader_error(loader, path, NULL, "%s", strerror(-rc));
    }
    source_finish(&source);
}

static void load_command_line(struct loader *loader)
{
    for (size_t i = 0; i < loader->request->set_count; i++) {
        const char *set = loader->request->sets[i];
        size_t length = strcspn(set, "=");
        char *path = alloc_text_of(set, length);
        struct setting setting = {.layer = LAYER_COMMAND_LINE, .source = "--set"};

        setting.option = option_find(path, &setting.is_file);
        if (set[length] == '\0') {
            /* does not quote the text, which may be a secret */
            loader_error(loader, "--set", NULL, "number %zu is not of the form PATH=VALUE", i + 1);
        } else if (setting.option == CONFIG_OPTION_COUNT) {
            loader_reject_path(loader, "--set", path);
        } else {
            loader_set_text(loader, setting, set + length + 1);
        }
        free(path);
    }
}

static struct config *load(struct loader *loader)
{
    loader->config = alloc_zero(1, sizeof(*loader->config));
    loader_set_defaults(loader);
    loader_load_kubernetes(loader);
    load_file(loader);
    loader_load_credentials(loader);
    loader_load_traditional(loader);
    loader_load_environment(loader);
    load_command_line(loader);
    loader_expand(loader);
    loader_check_sites(loader);
    if (loader->failed) {
        config_unload(loader->config);
        return NULL;
    }
    return loader->config;
}

struct config *config_load(const struct config_request *request, struct buf *errors)
{
    struct loader loader = {.request = request, .errors = errors};

    return load(&loader);
}

struct config *config_load_again(const struct config_request *request,
                                 const struct config *previous, struct buf *warnings,
                                 struct buf *errors)
{
    struct loader loader = {
        .request = request, .errors = errors, .previous = previous, .warnings = warnings};

    return load(&loader);
}

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

const char *config_library_version(void)
{
    return TEXT_OF(LIBCONFIG_VER_MAJOR) "." TEXT_OF(LIBCONFIG_VER_MINOR) "." TEXT_OF(
        LIBCONFIG_VER_REVISION);
}
