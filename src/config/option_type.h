/* SPDX-License-Identifier: MIT */
/**
 * option_type: the types of options.def. A type knows one value: how to parse, compare, print and
 * free it. For a list type that value is one item; option.c makes lists of them. Internal to
 * config/.
 */
#ifndef VISITCOUNTD_CONFIG_OPTION_TYPE_H
#define VISITCOUNTD_CONFIG_OPTION_TYPE_H

#include "base/buf.h"
#include "config/config_fields.h"

#include <stdbool.h>
#include <stddef.h>

struct option_row;

/** How a text was written, which decides what it may become. */
enum option_form {
    OPTION_FORM_PLAIN,  /* environment, command line, file of a secret, default: anything */
    OPTION_FORM_QUOTED, /* in the file, in quotes: text, duration, size, address … */
    OPTION_FORM_BARE,   /* in the file, without: number, true, false */
    OPTION_FORM_GROUP,  /* in the file: a group { … } in a list of sites, already parsed */
};

struct option_type {
    size_t field_size; /* of the member of struct config */
    size_t item_size;  /* of a list's item; 0 when the field is the value itself */
    /** How the value stands in the file; OPTION_FORM_PLAIN: in quotes, but bare is understood. */
    enum option_form form;
    /** Parses `text` into the zeroed `ret_value`; 0 or a negative errno that `expect` explains. */
    int (*parse)(const struct option_row *row, const char *text, void *ret_value);
    /** Appends what is accepted: "a whole number from 1 to 65535". */
    void (*expect)(const struct option_row *row, int error, struct buf *out);
    /** Appends help for a `text` that was not accepted, beginning with "; "; NULL: there is none.
     */
    void (*help)(const char *text, struct buf *out);
    bool (*equals)(const void *a, const void *b);
    void (*print)(const struct option_row *row, const void *value, struct buf *out);
    /** Frees what the value holds; NULL when that is nothing. */
    void (*clear)(void *value);
    /** Whether the value stands in the file as a group; NULL: none does. */
    bool (*is_group)(const void *value);
};

/** Defines a type: the size of a list's item, or 0; the form in the file; the functions. */
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
