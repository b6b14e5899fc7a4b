/* SPDX-License-Identifier: MIT */
#include "ctl_json.h"

#include <jansson.h>
#include <string.h>

static json_t *load(const char *json, size_t length, size_t more_flags)
{
    return json_loadb(json != NULL ? json : "", length, JSON_REJECT_DUPLICATES | more_flags, NULL);
}

bool ctl_json_is_valid(const char *json, size_t length)
{
    /* as a real: an integer above 2^63 is valid JSON, but no json_int_t */
    json_t *root = load(json, length, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL);
    bool is_valid = root != NULL;

    json_decref(root);
    return is_valid;
}

bool ctl_json_put_error(struct buf *out, const char *json, size_t length)
{
    json_t *root = load(json, length, JSON_ALLOW_NUL);
    const json_t *message = json_object_get(json_object_get(root, "error"), "message");
    bool is_error = json_string_length(message) != 0; /* 0 if it is no string */

    if (is_error) {
        buf_append(out, json_string_value(message), json_string_length(message));
    }
    json_decref(root);
    return is_error;
}

bool ctl_json_has_text(const char *json, size_t length, const char *name, const char *value)
{
    json_t *root = load(json, length, 0);
    const char *text = json_string_value(json_object_get(root, name));
    bool is_equal = text != NULL && strcmp(text, value) == 0;

    json_decref(root);
    return is_equal;
}
