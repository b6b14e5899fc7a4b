/* SPDX-License-Identifier: MIT */
#include "http/visit/device_names.h"

#include <string.h>

static bool has(const char *text, size_t length, const char *word)
{
    return memmem(text, length, word, strlen(word)) != NULL;
}

/** Whether a comment describes a phone, a tablet or another device with a name of its own. */
static bool is_of_device(const char *comment, size_t length)
{
    static const char *const systems[] = {"android", "tizen",   "windows phone", "mobile;",
                                          "tablet;", "harmony", "linux; u;",     "kaios"};

    if (has(comment, length, "compatible;") && !has(comment, length, "windows phone")) {
        return false; /* "(compatible; Googlebot-Mobile/2.1; Android)" */
    }
    for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
        if (has(comment, length, systems[i])) {
            return true;
        }
    }
    return false;
}

/** Returns the end of the comment that starts at `start`: its ")", or the end of the text. */
static size_t find_end(const char *text, size_t start, size_t length)
{
    size_t depth = 0;

    for (size_t i = start; i < length; i++) {
        depth += text[i] == '(';
        depth -= text[i] == ')';
        if (depth == 0) {
            return i;
        }
    }
    return length;
}

static void add(struct device_names *names, size_t start, size_t end)
{
    if (names->count < DEVICE_NAMES_MAX) {
        names->items[names->count++] = (struct device_name){start, end};
    }
}

static void add_comment(const char *text, size_t start, size_t end, struct device_names *names)
{
    static const char before[] = "android ";
    size_t before_length = sizeof(before) - 1;
    const char *name;
    const char *build;
    const char *last;

    if (start >= before_length &&
        memcmp(text + start - before_length, before, before_length) == 0) {
        add(names, start, end);
        return;
    }
    name = memchr(text + start, ';', end - start);
    if (name == NULL || !is_of_device(text + start, end - start)) {
        return;
    }
    build = memmem(name, (size_t)(text + end - name), "build/", 6);
    last = build != NULL ? memchr(build, ';', (size_t)(text + end - build)) : NULL;
    add(names, (size_t)(name - text), last != NULL ? (size_t)(last - text) : end);
}

void device_names_find(const char *text, size_t length, struct device_names *ret_names)
{
    ret_names->count = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '(') {
            size_t end = find_end(text, i, length);

            add_comment(text, i, end, ret_names);
            i = end;
        } else if (text[i] == '[' && length - i > 3 && memcmp(text + i, "[fb", 3) == 0) {
            const char *bracket = memchr(text + i, ']', length - i);
            size_t end = bracket != NULL ? (size_t)(bracket - text) : length;

            add(ret_names, i + 5 < end ? i + 5 : end, end); /* "[fban" itself names a browser */
            i = end;
        }
    }
}

bool device_names_have(const struct device_names *names, size_t position)
{
    for (size_t i = 0; i < names->count; i++) {
        if (position >= names->items[i].start && position < names->items[i].end) {
            return true;
        }
    }
    return false;
}
