/* SPDX-License-Identifier: MIT */
#include "config/option.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "config/option_type.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* errors quote at most this many bytes */
#define QUOTED_MAX 64

#define MASK "********"

#define OPTION(field, path, type, fallback, min, max, flags, text)                               \
    {path, &option_type_##type, offsetof(struct config, field), fallback, min, max, flags, NULL, \
     text},
#define CHOICE(field, path, names, fallback, flags, text) \
    {path, &option_type_CHOICE, offsetof(struct config, field), fallback, 0, 0, flags, names, text},
const struct option_row option_rows[CONFIG_OPTION_COUNT] = {
#include "config/options.def"
};
#undef OPTION
#undef CHOICE

/* the common layout of struct config_strings and the other lists */
struct items {
    void *items;
    size_t count;
};

_Static_assert(sizeof(struct items) == sizeof(struct config_strings), "a list is two words");
_Static_assert(sizeof(struct items) == sizeof(struct config_sites), "a list is two words");
_Static_assert(sizeof(struct items) == sizeof(struct config_addresses), "a list is two words");
_Static_assert(sizeof(struct items) == sizeof(struct config_networks), "a list is two words");

static struct items get_items(const void *field)
{
    struct items items;

    memcpy(&items, field, sizeof(items));
    return items;
}

static void *item_at(const struct option_row *row, const struct items *items, size_t index)
{
    return (char *)items->items + index * row->type->item_size;
}

/* quoting */

static void put_byte(unsigned char c, struct buf *out)
{
    static const char names[] = "\"\\\n\t\r\f";
    static const char letters[] = "\"\\ntrf";
    const char *name = c != '\0' ? strchr(names, c) : NULL;

    if (name != NULL) {
        buf_printf(out, "\\%c", letters[name - names]);
    } else if (c < 0x20 || c >= 0x7f) {
        buf_printf(out, "\\x%02x", c);
    } else {
        buf_putc(out, (char)c);
    }
}

/** Appends a quoted and escaped string of the file. Returns how many bytes of `text` it used. */
static size_t put_quoted(const char *text, size_t max, struct buf *out)
{
    size_t length = strlen(text);
    size_t at = 0;

    buf_putc(out, '"');
    while (at < length && at < max) {
        size_t sequence = utf8_sequence_length(text + at, length - at);

        if (sequence > 1) {
            buf_append(out, text + at, sequence);
        } else {
            put_byte((unsigned char)text[at], out);
            sequence = 1;
        }
        at += sequence;
    }
    buf_putc(out, '"');
    return at;
}

void option_quote(const char *text, struct buf *out)
{
    size_t length = strlen(text);

    if (put_quoted(text, QUOTED_MAX, out) < length) {
        buf_printf(out, " and so on (%zu bytes)", length);
    }
}

/* parsing */

static void expected(const struct option_row *row, int error, const char *how, struct buf *problem)
{
    buf_puts(problem, "expected ");
    row->type->expect(row, error, problem);
    buf_puts(problem, how);
}

static void got(const struct option_row *row, const struct option_text *item, bool is_secret,
                struct buf *problem)
{
    if (is_secret || (row->flags & SECRET) != 0) {
        return;
    }
    buf_puts(problem, ", got ");
    if (item->form == OPTION_FORM_BARE) {
        buf_puts(problem, item->text);
    } else {
        option_quote(item->text, problem);
    }
}

static void help(const struct option_row *row, const struct option_text *item, bool is_secret,
                 struct buf *problem)
{
    if (row->type->help != NULL && !is_secret && (row->flags & SECRET) == 0) {
        row->type->help(item->text, problem);
    }
}

static void clear_value(const struct option_row *row, void *value)
{
    if (row->type->clear != NULL) {
        row->type->clear(value);
    }
}

/** Returns how the file has to write the value, or NULL if `form` is right. */
static const char *check_form(const struct option_row *row, enum option_form form)
{
    enum option_form wanted = row->type->form;

    if (form == OPTION_FORM_PLAIN || wanted == OPTION_FORM_PLAIN || form == wanted) {
        return NULL;
    }
    return wanted == OPTION_FORM_BARE ? " without quotes" : " in quotes";
}

static int parse_value(const struct option_row *row, const struct option_text *item, bool is_secret,
                       void *ret_value, struct buf *problem)
{
    const char *form;
    int rc;

    if (item->form == OPTION_FORM_GROUP) { /* only values of SITES have groups */
        memcpy(ret_value, item->site, row->type->item_size);
        memset(item->site, 0, row->type->item_size);
        return 0;
    }
    form = check_form(row, item->form);
    rc = row->type->parse(row, item->text, ret_value);
    if (rc == 0 && form == NULL) {
        return 0;
    }
    if (rc == 0) {
        clear_value(row, ret_value);
    }
    expected(row, rc, rc == 0 ? form : "", problem);
    got(row, item, is_secret, problem);
    if (rc != 0) {
        help(row, item, is_secret, problem);
    }
    return -EINVAL;
}

/** Parses all items, so that errors name all bad ones. */
static int parse_items(const struct option_row *row, const struct option_input *input,
                       void *ret_field, struct buf *problem)
{
    struct items items = {alloc_zero(input->count + 1, row->type->item_size), 0};
    int rc = 0;

    for (size_t i = 0; i < input->count; i++) {
        struct buf wrong = BUF_EMPTY;

        if (parse_value(row, &input->items[i], input->is_secret, item_at(row, &items, items.count),
                        &wrong) == 0) {
            items.count++;
        } else {
            buf_printf(problem, "%s%s", rc < 0 ? "; " : "", wrong.bytes);
            rc = -EINVAL;
        }
        buf_finish(&wrong);
    }
    memcpy(ret_field, &items, sizeof(items));
    if (rc < 0) {
        option_clear(row, ret_field);
    }
    return rc;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct option_text *)a)->text, ((const struct option_text *)b)->text);
}

/** Returns an item that occurs twice, or NULL. */
static const char *find_twin(const struct option_input *input)
{
    size_t size = input->count * sizeof(input->items[0]);
    struct option_text *sorted = alloc_bytes(size + 1);
    const char *twin = NULL;

    if (size != 0) {
        memcpy(sorted, input->items, size);
        qsort(sorted, input->count, sizeof(sorted[0]), compare_items);
    }
    for (size_t i = 1; twin == NULL && i < input->count; i++) {
        if (strcmp(sorted[i - 1].text, sorted[i].text) == 0) {
            twin = sorted[i].text;
        }
    }
    free(sorted);
    return twin;
}

static int parse_list(const struct option_row *row, const struct option_input *input,
                      void *ret_field, struct buf *problem)
{
    const char *twin;

    if (input->count < row->min || input->count > row->max) {
        buf_printf(problem, "expected %llu to %llu items, got %zu", (unsigned long long)row->min,
                   (unsigned long long)row->max, input->count);
        return -EINVAL;
    }
    twin = find_twin(input);
    if (twin != NULL) {
        option_quote(twin, problem);
        buf_puts(problem, " is there twice");
        return -EINVAL;
    }
    return parse_items(row, input, ret_field, problem);
}

static size_t count_commas(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        count += *text == ',';
    }
    return count;
}

/** Splits `text` at commas and trims blanks. "" has no items. Returns their number. */
static size_t split(char *text, enum option_form form, struct option_text *ret_items)
{
    size_t count = 0;
    char *rest = text;

    if (text[strspn(text, " \t")] == '\0') {
        return 0;
    }
    while (rest != NULL) {
        char *item = strsep(&rest, ",");
        size_t length;

        item += strspn(item, " \t");
        length = strlen(item);
        while (length > 0 && (item[length - 1] == ' ' || item[length - 1] == '\t')) {
            item[--length] = '\0';
        }
        ret_items[count++] = (struct option_text){item, form, NULL};
    }
    return count;
}

static int parse_joined(const struct option_row *row, const struct option_input *input,
                        void *ret_field, struct buf *problem)
{
    const struct option_text *whole = &input->items[0];
    struct option_text *items = alloc_zero(count_commas(whole->text) + 1, sizeof(items[0]));
    char *copy = alloc_text(whole->text);
    struct option_input separate = {items, 0, true, input->is_secret};
    int rc;

    separate.count = split(copy, whole->form, items);
    rc = parse_list(row, &separate, ret_field, problem);
    free(copy);
    free(items);
    return rc;
}

int option_parse(const struct option_row *row, const struct option_input *input, void *ret_field,
                 struct buf *problem)
{
    if (row->type->item_size != 0) {
        return input->is_list ? parse_list(row, input, ret_field, problem)
                              : parse_joined(row, input, ret_field, problem);
    }
    if (input->is_list) {
        expected(row, -EINVAL, ", got a list", problem);
        return -EINVAL;
    }
    return parse_value(row, &input->items[0], input->is_secret, ret_field, problem);
}

/* fields */

void option_clear(const struct option_row *row, void *field)
{
    if (row->type->item_size != 0) {
        struct items items = get_items(field);

        for (size_t i = 0; i < items.count; i++) {
            clear_value(row, item_at(row, &items, i));
        }
        free(items.items);
    } else {
        clear_value(row, field);
    }
    memset(field, 0, row->type->field_size);
}

void option_move(const struct option_row *row, void *to, void *from)
{
    option_clear(row, to);
    memcpy(to, from, row->type->field_size);
    memset(from, 0, row->type->field_size);
}

bool option_equals(const struct option_row *row, const void *a, const void *b)
{
    struct items one;
    struct items other;

    if (row->type->item_size == 0) {
        return row->type->equals(a, b);
    }
    one = get_items(a);
    other = get_items(b);
    if (one.count != other.count) {
        return false;
    }
    for (size_t i = 0; i < one.count; i++) {
        if (!row->type->equals(item_at(row, &one, i), item_at(row, &other, i))) {
            return false;
        }
    }
    return true;
}

bool option_is_empty(const struct option_row *row, const void *field)
{
    struct buf text = BUF_EMPTY;
    bool is_empty;

    option_print(row, field, &text);
    is_empty = text.length == 0;
    buf_finish(&text);
    return is_empty;
}

void *option_field(const struct option_row *row, struct config *config)
{
    return (char *)config + row->offset;
}

const void *option_field_const(const struct option_row *row, const struct config *config)
{
    return (const char *)config + row->offset;
}

/* printing */

static void print_value(const struct option_row *row, const void *value, struct buf *out)
{
    struct buf text = BUF_EMPTY;

    row->type->print(row, value, &text);
    if ((row->flags & SECRET) != 0 && text.length != 0) {
        buf_clear(&text);
        buf_puts(&text, MASK);
    }
    if (text.length != 0) {
        buf_append(out, text.bytes, text.length);
    }
    buf_finish(&text);
}

static bool is_group(const struct option_row *row, const void *value)
{
    return row->type->is_group != NULL && row->type->is_group(value);
}

static void print_value_file(const struct option_row *row, const void *value, struct buf *out)
{
    struct buf text = BUF_EMPTY;

    print_value(row, value, &text);
    buf_puts(&text, "");
    if (row->type->form == OPTION_FORM_BARE || is_group(row, value)) {
        buf_puts(out, text.bytes);
    } else {
        put_quoted(text.bytes, SIZE_MAX, out);
    }
    buf_finish(&text);
}

void option_print(const struct option_row *row, const void *field, struct buf *out)
{
    struct items items;

    if (row->type->item_size == 0) {
        print_value(row, field, out);
        return;
    }
    items = get_items(field);
    for (size_t i = 0; i < items.count; i++) {
        buf_puts(out, i != 0 ? "," : "");
        print_value(row, item_at(row, &items, i), out);
    }
}

void option_print_file(const struct option_row *row, const void *field, struct buf *out)
{
    struct items items;
    bool has_groups = false; /* then it prints a list: an array has values of one type only */

    if (row->type->item_size == 0) {
        print_value_file(row, field, out);
        return;
    }
    items = get_items(field);
    for (size_t i = 0; i < items.count; i++) {
        has_groups |= is_group(row, item_at(row, &items, i));
    }
    buf_putc(out, has_groups ? '(' : '[');
    for (size_t i = 0; i < items.count; i++) {
        buf_puts(out, i != 0 ? ", " : "");
        print_value_file(row, item_at(row, &items, i), out);
    }
    buf_putc(out, has_groups ? ')' : ']');
}

void option_print_default(const struct option_row *row, struct buf *out)
{
    const struct option_text text = {row->fallback, OPTION_FORM_PLAIN, NULL};
    const struct option_input input = {&text, 1, false, false};
    union option_value value = {0};
    struct buf problem = BUF_EMPTY;

    if (option_parse(row, &input, &value, &problem) == 0) {
        option_print_file(row, &value, out);
        option_clear(row, &value);
    }
    buf_finish(&problem);
}
