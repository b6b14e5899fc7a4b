/* SPDX-License-Identifier: MIT */
/**
 * ctl_json: reads the JSON answers of the daemon, with Jansson. Rejects everything that is not
 * valid JSON in UTF-8, objects with a key that occurs twice, and values that are nested too deep.
 */
#ifndef VISITCOUNTD_CMD_CTL_JSON_H
#define VISITCOUNTD_CMD_CTL_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/** Whether the bytes are one JSON array or object. */
bool ctl_json_is_valid(const char *json, size_t length);

/**
 * Appends the message of {"error":{"code":"…","message":"…"}}. Returns false, and appends nothing,
 * if the bytes have another form or the message is empty.
 */
bool ctl_json_put_error(struct buf *out, const char *json, size_t length);

/** Whether the bytes are an object whose member `name` is the text `value`. */
bool ctl_json_has_text(const char *json, size_t length, const char *name, const char *value);

#endif
