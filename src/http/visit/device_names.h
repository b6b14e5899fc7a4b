/* SPDX-License-Identifier: MIT */
/**
 * device_names: finds the parts of a user agent that name the device. A manufacturer may call a
 * phone "IDbot553".
 */
#ifndef VISITCOUNTD_HTTP_DEVICE_NAMES_H
#define VISITCOUNTD_HTTP_DEVICE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define DEVICE_NAMES_MAX 4

/** Parts of a text, in order. The first byte after a part is `end`. */
struct device_names {
    size_t count;
    struct device_name {
        size_t start;
        size_t end;
    } items[DEVICE_NAMES_MAX];
};

/**
 * Finds the first DEVICE_NAMES_MAX names in `text`, which is in lower case. A name is:
 * - in a comment of a mobile system, such as "(linux; android 13; NAME build/X; wv)", what follows
 *   the first ";", up to the end of the part with "build/" if there is one;
 * - a comment that follows "android ", as applications write it;
 * - a list in brackets that begins with "[fb".
 */
void device_names_find(const char *text, size_t length, struct device_names *ret_names);

/** Whether the byte at `position` is in one of the names. */
bool device_names_have(const struct device_names *names, size_t position);

#endif
