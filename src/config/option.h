/* SPDX-License-Identifier: MIT */
/**
 * option: the rows of options.def, and functions that parse, compare, print and free a value by the
 * type of its row. Internal to config/.
 *
 * A field is a member of `struct config`. Functions take it as `void *`, and the row gives its
 * type. A zeroed field is empty and may be cleared.
 */
#ifndef VISITCOUNTD_CONFIG_OPTION_H
#define VISITCOUNTD_CONFIG_OPTION_H

#include "base/buf.h"
#include "config/config_fields.h"
#include "config/option_type.h"

enum option_flag { RELOAD = 1, RESTART = 2, SECRET = 4 };

struct option_row {
    const char *path;
    const struct option_type *type;
    size_t offset; /* of the field in its struct */
    const char *fallback;
    uint64_t min;
    uint64_t max;
    unsigned flags;
    const char *const *names; /* of a CHOICE, else NULL */
    const char *text;
};

/** One row per enum config_option. */
extern const struct option_row option_rows[CONFIG_OPTION_COUNT];

struct option_text {
    const char *text;
    enum option_form form;
    struct config_site *site; /* OPTION_FORM_GROUP: parsing moves it out; `text` is its name */
};

/** The text or texts that a layer gives for an option. */
struct option_input {
    const struct option_text *items;
    size_t count;
    bool is_list;   /* a list in the file; else one item, which a list option splits at commas */
    bool is_secret; /* errors must not quote it */
};

/** A field of any type, for a temporary value. Zeroed is empty. */
union option_value {
    char *string;
    bool boolean;
    int choice;
    uint64_t number;
    struct rate rate;
    struct config_strings strings;
    struct config_sites sites;
    struct config_addresses addresses;
    struct config_networks networks;
};

/**
 * Parses `input` into `ret_field`, which must be empty. Returns 0. On an error returns -EINVAL and
 * appends to `problem` the expected form and, unless it is secret, the input.
 */
int option_parse(const struct option_row *row, const struct option_input *input, void *ret_field,
                 struct buf *problem);

/** Frees the value of a field. The field is then empty. */
void option_clear(const struct option_row *row, void *field);

/** Frees the value of `to` and moves that of `from` into it. `from` is then empty. */
void option_move(const struct option_row *row, void *to, void *from);

bool option_equals(const struct option_row *row, const void *a, const void *b);

/** Whether the field holds no text or no items. A number is never empty. */
bool option_is_empty(const struct option_row *row, const void *field);

/** Appends the value in the form of the environment. Masks a secret. */
void option_print(const struct option_row *row, const void *field, struct buf *out);

/** Appends the value in the form of the config file. Masks a secret. */
void option_print_file(const struct option_row *row, const void *field, struct buf *out);

/** Appends the default in the form of the config file. */
void option_print_default(const struct option_row *row, struct buf *out);

/** Returns the field of `row` in `config`. */
void *option_field(const struct option_row *row, struct config *config);
const void *option_field_const(const struct option_row *row, const struct config *config);

/**
 * Returns the option with `path`, or CONFIG_OPTION_COUNT. `*ret_is_file` is true if the path names
 * a secret's file ("redis.password_file").
 */
enum config_option option_find(const char *path, bool *ret_is_file);

/** Longest name that the two functions below write, including the NUL. */
#define OPTION_NAME_MAX 96

/** Writes "VISITCOUNTD_REDIS_HOST", or "VISITCOUNTD_REDIS_PASSWORD_FILE" with `is_file`. */
char *option_environment_name(const struct option_row *row, bool is_file,
                              char name[OPTION_NAME_MAX]);

/** Writes "redis.password", or "redis.password_file" with `is_file`. */
char *option_path(const struct option_row *row, bool is_file, char path[OPTION_NAME_MAX]);

/** Returns the length of the path's group with its dot: 6 for "redis.host", 0 for "sites". */
size_t option_group_length(const struct option_row *row);

/** Whether each "%" in `pattern` is part of "%i" or "%%". */
bool option_pattern_is_valid(const char *pattern);

/** Appends `text` in quotes. Escapes control bytes and invalid UTF-8, and cuts long text. */
void option_quote(const char *text, struct buf *out);

#endif
