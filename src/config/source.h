/* SPDX-License-Identifier: MIT */
/**
 * source: reads a config file and its included files into one text that is safe for libconfig 1.5.
 * Internal to config/.
 *
 * libconfig has these problems. It ends the process if it is given a directory. It ignores the text
 * after a NUL byte or an unfinished comment. It searches included files in the working directory.
 * It parses 4294973675 as 6379.
 *
 * This module therefore replaces `@include "FILE"` at the start of a line by the file, relative to
 * the including one. It appends the L that numbers beyond 32 bits need, and rejects the other
 * cases. source_where() maps a line of the text to its file and line.
 */
#ifndef VISITCOUNTD_CONFIG_SOURCE_H
#define VISITCOUNTD_CONFIG_SOURCE_H

#include "base/buf.h"

#include <stddef.h>

struct source_line;

struct source {
    struct buf text; /* always NUL-terminated */
    struct source_line *lines;
    size_t line_count;
    size_t line_capacity;
    char **files; /* names of all files; `lines` points to them */
    size_t file_count;
};

/** Longest text of a file with all its included files. */
#define SOURCE_BYTES_MAX ((size_t)1 << 20)

void source_init(struct source *source);
void source_finish(struct source *source);

/**
 * Reads `path` and its included files. Returns 0 on success. Returns a negative errno if `path`
 * itself cannot be read, and appends nothing. Returns 1 after appending one line per error in the
 * text to `errors`.
 */
int source_read(struct source *source, const char *path, struct buf *errors);

/** Returns the file of line `line` (from 1) of the text, and its line there in `ret_line`. */
const char *source_where(const struct source *source, size_t line, size_t *ret_line);

/**
 * Appends the bytes of the file at `path` to `out`. Returns 0, or a negative errno: -EFBIG if the
 * file is longer than `max_bytes`, -EISDIR for a directory.
 */
int source_read_file(const char *path, size_t max_bytes, struct buf *out);

/** Returns `path`. A relative `path` is taken from the directory of `file`. The caller frees it. */
char *source_resolve(const char *file, const char *path);

#endif
