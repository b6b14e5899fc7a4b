/* SPDX-License-Identifier: MIT */
/**
 * option_type: the types of options.def. A type parses, compares, prints and frees one value. For a
 * list type, the value is one item; option.c makes the list. Internal to config/.
 */
#ifndef VISITCOUNTD_CONFIG_OPTION_TYPE_H
#define VISITCOUNTD_CONFIG_OPTION_TYPE_H

#include "base/buf.h"
#include "config/config_fields.h"

#include <stdbool.h>
#include <stddef.h>

struct option_row;

/** The form in which a text was written. It limits the types that accept the text. */
enum option_form {
    OPTION_FORM_PLAIN,  /* environment, command line, file of a secret, default: any type */
    OPTION_FORM_QUOTED, /* config file, with quotes: text, duration, size, address … */
    OPTION_FORM_BARE,   /* config file, without quotes: number, true, false */
    OPTION_FORM_GROUP,  /* config file: a group { … } in a list of sites, already parsed */
};

struct option_type {
    size_t field_size; /* of the member of struct config */
    size_t item_size;  /* of a list's item; 0 if the type is not a list */
    /** The form in the file. OPTION_FORM_PLAIN prints quotes and also accepts bare values. */
    enum option_form form;
    /** Parses `text` into the zeroed `ret_value`. Returns 0, or a negative errno for `expect`. */
    int (*parse)(const struct option_row *row, const char *text, void *ret_value);
    /** Appends a description of valid texts: "a whole number from 1 to 65535". */
    void (*expect)(const struct option_row *row, int error, struct buf *out);
    /** Appends help for a `text` that is not valid, starting with "; ". NULL: no help. */
    void (*help)(const char *text, struct buf *out);
    bool (*equals)(const void *a, const void *b);
    void (*print)(const struct option_row *row, const void *value, struct buf *out);
    /** Frees the memory of the value. NULL: it has none. */
    void (*clear)(void *value);
    /** Whether the file has the value as a group. NULL: never. */
    bool (*is_group)(const void *value);
};

/** Defines a type from the size of a list's item (or 0), the form in the file and functions. */
#define OPTION_TYPE(type, item, form_, parse_, expect_, equals_, print_, clear_) \
    const struct option_type option_type_##type = {                              \
        .field_size = sizeof(OPTION_TYPE_##type),                                \
        .item_size = item,                                                       \
        .form = OPTION_FORM_##form_,                                             \
        .parse = parse_,                                                         \
        .expect = expect_,                                                       \
        .equals = equals_,                                                       \
        .print = print_,                                                         \
        .clear = clear_,                                                         \
    }

/* option_text.c */
extern const struct option_type option_type_STRING;
extern const struct option_type option_type_NAME;
extern const struct option_type option_type_HOST;
extern const struct option_type option_type_PATTERN;
extern const struct option_type option_type_ZONE;
extern const struct option_type option_type_SITE;
extern const struct option_type option_type_ALIASES;
extern const struct option_type option_type_ORIGINS;
extern const struct option_type option_type_WORDS;
extern const struct option_type option_type_PAGE_RULES;

/* option_number.c */
extern const struct option_type option_type_BOOL;
extern const struct option_type option_type_CHOICE;
extern const struct option_type option_type_COUNT;
extern const struct option_type option_type_DURATION;
extern const struct option_type option_type_SIZE;
extern const struct option_type option_type_RATE;

/* option_address.c */
extern const struct option_type option_type_ADDRESSES;
extern const struct option_type option_type_NETWORKS;

/* site_option.c */
extern const struct option_type option_type_SITES;

#endif
