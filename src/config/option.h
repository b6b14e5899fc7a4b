/* SPDX-License-Identifier: MIT */
/**
 * option: the rows of options.def and what their types can do: parse a text, compare, print, free.
 * Internal to config/.
 *
 * A field is one member of `struct config`; functions here take it as `void *` and know its type
 * from the row. A zeroed field is empty and may be cleared.
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
    size_t offset; /* of the field in struct config */
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
    struct config_site *site; /* OPTION_FORM_GROUP; emptied when it is taken. `text` is its name */
};

/** What was given for an option. */
struct option_input {
    const struct option_text *items;
    size_t count;
    bool is_list;   /* a list of the file; otherwise one item, split at commas for a list option */
    bool is_secret; /* not to be shown, whatever the option */
};

/** The largest field, for a value that is not yet in its place; zeroed is empty. */
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
 * Parses `input` into `ret_field`, which must be empty. Returns 0, or -EINVAL after appending what
 * was expected and, unless it is secret, what was given to `problem`.
 */
int option_parse(const struct option_row *row, const struct option_input *input, void *ret_field,
                 struct buf *problem);

/** Frees what a field holds; it is empty afterwards. */
void option_clear(const struct option_row *row, void *field);

/** Moves the value of `from` into `to`, which is freed before; `from` is empty afterwards. */
void option_move(const struct option_row *row, void *to, void *from);

bool option_equals(const struct option_row *row, const void *a, const void *b);

/** Whether the field holds no text or no items. A number is never empty. */
bool option_is_empty(const struct option_row *row, const void *field);

/** Appends the value as it would stand in the environment, a secret masked. */
void option_print(const struct option_row *row, const void *field, struct buf *out);

/** Appends the value as it would stand in the file, a secret masked. */
void option_print_file(const struct option_row *row, const void *field, struct buf *out);

/** Appends the default as it would stand in the file. */
void option_print_default(const struct option_row *row, struct buf *out);

/** The field of `row` in `config`. */
void *option_field(const struct option_row *row, struct config *config);
const void *option_field_const(const struct option_row *row, const struct config *config);

/** The row with `path`, or CONFIG_OPTION_COUNT. `*ret_is_file`: the path is that of a secret's
 * file ("redis.password_file"). */
enum config_option option_find(const char *path, bool *ret_is_file);

/** Longest name that the two writers below can make, with the NUL. */
#define OPTION_NAME_MAX 96

/** Writes "VISITCOUNTD_REDIS_HOST", or "VISITCOUNTD_REDIS_PASSWORD_FILE" with `is_file`. */
char *option_environment_name(const struct option_row *row, bool is_file,
                              char name[OPTION_NAME_MAX]);

/** Writes "redis.password", or "redis.password_file" with `is_file`. */
char *option_path(const struct option_row *row, bool is_file, char path[OPTION_NAME_MAX]);

/** Bytes of the group in the row's path with its dot: 6 of "redis.host", 0 of "sites". */
size_t option_group_length(const struct option_row *row);

/** Whether each "%" in `pattern` begins "%i" or "%%". */
bool option_pattern_is_valid(const char *pattern);

/** Appends `text` in quotes, control bytes and what is not UTF-8 escaped, long text cut. */
void option_quote(const char *text, struct buf *out);

#endif
