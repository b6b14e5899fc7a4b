/* SPDX-License-Identifier: MIT */
#include "config/option.h"

#include <stdio.h>
#include <string.h>

#define ENVIRONMENT_PREFIX "VISITCOUNTD_"

static char to_environment(char c)
{
    if (c == '.') {
        return '_';
    }
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

char *option_environment_name(const struct option_row *row, bool is_file,
                              char name[OPTION_NAME_MAX])
{
    size_t length = sizeof(ENVIRONMENT_PREFIX) - 1;

    snprintf(name, OPTION_NAME_MAX, ENVIRONMENT_PREFIX "%s%s", row->path, is_file ? "_file" : "");
    for (char *at = name + length; *at != '\0'; at++) {
        *at = to_environment(*at);
    }
    return name;
}

char *option_path(const struct option_row *row, bool is_file, char path[OPTION_NAME_MAX])
{
    snprintf(path, OPTION_NAME_MAX, "%s%s", row->path, is_file ? "_file" : "");
    return path;
}

enum config_option option_find(const char *path, bool *ret_is_file)
{
    for (int option = 0; option < CONFIG_OPTION_COUNT; option++) {
        const struct option_row *row = &option_rows[option];
        size_t length = strlen(row->path);
        bool is_file = (row->flags & SECRET) != 0 && strncmp(path, row->path, length) == 0 &&
                       strcmp(path + length, "_file") == 0;

        if (is_file || strcmp(path, row->path) == 0) {
            *ret_is_file = is_file;
            return (enum config_option)option;
        }
    }
    return CONFIG_OPTION_COUNT;
}

size_t option_group_length(const struct option_row *row)
{
    const char *dot = strrchr(row->path, '.');

    return dot != NULL ? (size_t)(dot - row->path) + 1 : 0;
}

bool option_pattern_is_valid(const char *pattern)
{
    for (const char *at = strchr(pattern, '%'); at != NULL; at = strchr(at + 2, '%')) {
        if (at[1] != 'i' && at[1] != '%') {
            return false;
        }
    }
    return true;
}
