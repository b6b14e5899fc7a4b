/* SPDX-License-Identifier: MIT */
#include "config/loader.h"

#include "base/alloc.h"
#include "config/error_line.h"
#include "config/secret.h"
#include "config/source.h"
#include "base/suggest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* options of which only one can be meant */
static const enum config_option alternatives[][2] = {
    {CONFIG_redis_host, CONFIG_redis_socket},
    {CONFIG_redis_socket, CONFIG_redis_host},
};

void loader_error(struct loader *loader, const char *source, const char *path, const char *format,
                  ...)
{
    struct buf prefix = BUF_EMPTY;
    va_list arguments;

    buf_printf(&prefix, "%s: ", source);
    if (path != NULL) {
        buf_printf(&prefix, "%.*s: ", OPTION_NAME_MAX, path);
    }
    va_start(arguments, format);
    error_line_v(loader->errors, prefix.bytes, format, arguments);
    va_end(arguments);
    buf_finish(&prefix);
    loader->failed = true;
}

static void set_secret_file(struct config *config, enum config_option option, const char *path)
{
    char *copy = path != NULL ? alloc_text(path) : NULL;

    free(config->secret_files[option]);
    config->secret_files[option] = copy;
}

static void set_source(struct config *config, enum config_option option, const char *source)
{
    char *copy = alloc_text(source);

    free(config->sources[option]);
    config->sources[option] = copy;
}

/** Whether the same layer has given the value and the file of a secret; says so. */
static bool gives_both(struct loader *loader, const struct setting *setting)
{
    const struct option_row *row = &option_rows[setting->option];
    char path[OPTION_NAME_MAX];
    char other[OPTION_NAME_MAX];

    if (loader->given[setting->option].layer != setting->layer ||
        loader->given[setting->option].is_file == setting->is_file) {
        return false;
    }
    loader_error(loader, setting->source, option_path(row, setting->is_file, path),
                 "%s is given as well (%s); keep one of them",
                 option_path(row, !setting->is_file, other),
                 loader->config->sources[setting->option]);
    return true;
}

/** Whether the same layer has given another value by another name; says so. */
static bool contradicts(struct loader *loader, const struct setting *setting, const void *value)
{
    const struct option_row *row = &option_rows[setting->option];

    if (loader->given[setting->option].layer != setting->layer || setting->layer == LAYER_DEFAULT ||
        setting->layer == LAYER_COMMAND_LINE ||
        option_equals(row, option_field(row, loader->config), value)) {
        return false;
    }
    loader_error(loader, setting->source, row->path, "%s gives another value; keep one of them",
                 loader->config->sources[setting->option]);
    return true;
}

static void set_default(struct loader *loader, enum config_option option)
{
    loader->given[option].layer = LAYER_DEFAULT;
    loader_set_text(loader,
                    (struct setting){.layer = LAYER_DEFAULT, .option = option, .source = "default"},
                    option_rows[option].fallback);
}

/** Where `option` has an alternative: an error when the same layer gives both, else drops it. */
static void drop_alternative(struct loader *loader, enum config_option option)
{
    const struct option_row *row = &option_rows[option];
    struct config *config = loader->config;

    for (size_t i = 0; i < sizeof(alternatives) / sizeof(alternatives[0]); i++) {
        enum config_option other = alternatives[i][1];
        const struct option_row *other_row = &option_rows[other];

        if (alternatives[i][0] != option || loader->given[other].layer == LAYER_DEFAULT ||
            option_is_empty(row, option_field(row, config)) ||
            option_is_empty(other_row, option_field(other_row, config))) {
            continue;
        }
        if (loader->given[other].layer == loader->given[option].layer) {
            loader_error(loader, config->sources[option], row->path,
                         "%s is given as well (%s); keep one of them", other_row->path,
                         config->sources[other]);
        } else {
            set_default(loader, other);
        }
    }
}

/** Takes what is not the path of a file any more. */
static void set_value(struct loader *loader, const struct setting *setting)
{
    const struct option_row *row = &option_rows[setting->option];
    union option_value value = {0};
    struct buf problem = BUF_EMPTY;

    if (option_parse(row, &setting->input, &value, &problem) < 0) {
        loader_error(loader, setting->source, row->path, "%s", problem.bytes);
    } else if (!contradicts(loader, setting, &value)) {
        option_move(row, option_field(row, loader->config), &value);
    }
    option_clear(row, &value);
    buf_finish(&problem);
    set_source(loader->config, setting->option, setting->source);
    set_secret_file(loader->config, setting->option, NULL);
    loader->given[setting->option].layer = setting->layer;
    loader->given[setting->option].is_file = setting->is_file;
    drop_alternative(loader, setting->option);
}

bool loader_had_from_file(const struct loader *loader, enum config_option option, const char *path)
{
    return loader->previous != NULL && loader->previous->secret_files[option] != NULL &&
           strcmp(loader->previous->secret_files[option], path) == 0;
}

/** A file that cannot be read: an error; or, where the running daemon has read it, a warning. */
static const char *keep_secret(struct loader *loader, const struct setting *setting,
                               const char *path, const char *problem)
{
    const struct option_row *row = &option_rows[setting->option];
    char name[OPTION_NAME_MAX];

    option_path(row, true, name);
    if (!loader_had_from_file(loader, setting->option, path)) {
        loader_error(loader, setting->source, name, "%s: %s", path, problem);
        return NULL;
    }
    error_line(loader->warnings, "%s: %s: %s: %s; the secret that was read before is kept",
               setting->source, name, path, problem);
    return *(char *const *)option_field_const(row, loader->previous);
}

/**
 * Reads the file of a secret; NULL or what is wrong. Where a running daemon has read it before,
 * also what the option does not take is wrong with the file, and no error of the configuration.
 */
static const char *read_secret(const struct loader *loader, const struct setting *setting,
                               const char *path, struct buf *ret_secret, struct buf *ret_problem)
{
    const struct option_row *row = &option_rows[setting->option];
    union option_value value = {0};
    struct option_text text = {NULL, OPTION_FORM_PLAIN, NULL};
    const struct option_input input = {&text, 1, false, true};
    const char *problem;

    if (!loader_had_from_file(loader, setting->option, path)) {
        return secret_read(path, ret_secret);
    }
    problem = secret_read_again(path, ret_secret);
    if (problem != NULL) {
        return problem;
    }
    text.text = ret_secret->bytes;
    if (option_parse(row, &input, &value, ret_problem) < 0) {
        problem = ret_problem->bytes;
    }
    option_clear(row, &value);
    return problem;
}

static void set_from_file(struct loader *loader, const struct setting *setting)
{
    const char *path = setting->input.items[0].text;
    struct setting inner = *setting;
    struct option_text text = {NULL, OPTION_FORM_PLAIN, NULL};
    struct buf source = BUF_EMPTY;
    struct buf secret = BUF_EMPTY;
    struct buf why = BUF_EMPTY;
    const char *problem = read_secret(loader, setting, path, &secret, &why);

    buf_printf(&source, "%s (%s)", path, setting->source);
    text.text = problem == NULL ? secret.bytes : keep_secret(loader, setting, path, problem);
    if (text.text != NULL) {
        if (setting->layer != LAYER_CREDENTIAL) {
            inner.source = source.bytes; /* the name of a credential says enough */
        }
        inner.input = (struct option_input){&text, 1, false, true};
        set_value(loader, &inner);
        set_secret_file(loader->config, setting->option, path);
    }
    buf_finish(&source);
    buf_finish(&secret);
    buf_finish(&why);
}

void loader_set(struct loader *loader, const struct setting *setting)
{
    if (gives_both(loader, setting)) {
        return;
    }
    if (setting->is_file) {
        set_from_file(loader, setting);
    } else {
        set_value(loader, setting);
    }
}

void loader_set_text(struct loader *loader, struct setting setting, const char *text)
{
    const struct option_text item = {text, OPTION_FORM_PLAIN, NULL};

    setting.input.items = &item;
    setting.input.count = 1;
    setting.input.is_list = false;
    loader_set(loader, &setting);
}

void loader_set_defaults(struct loader *loader)
{
    for (int option = 0; option < CONFIG_OPTION_COUNT; option++) {
        set_default(loader, (enum config_option)option);
    }
}

void loader_reject_path(struct loader *loader, const char *source, const char *path)
{
    struct suggestion suggestion;
    const char *nearest;

    suggestion_init(&suggestion, path);
    for (int option = 0; option < CONFIG_OPTION_COUNT; option++) {
        const struct option_row *row = &option_rows[option];
        char known[OPTION_NAME_MAX];
        size_t group = option_group_length(row);

        suggestion_offer(&suggestion, row->path);
        if ((row->flags & SECRET) != 0) {
            suggestion_offer(&suggestion, option_path(row, true, known));
        }
        if (group != 0) {
            memcpy(known, row->path, group);
            known[group - 1] = '\0';
            suggestion_offer(&suggestion, known);
        }
    }
    nearest = suggestion_get(&suggestion);
    if (nearest != NULL) {
        loader_error(loader, source, path, "unknown option; did you mean %s?", nearest);
    } else {
        loader_error(loader, source, path, "unknown option");
    }
}
