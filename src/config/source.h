/* SPDX-License-Identifier: MIT */
/**
 * source: the text of a config file with what it includes, made safe for libconfig 1.5 to read.
 *
 * libconfig ends the process when it is given a directory, ignores what follows a NUL byte or an
 * unfinished comment, looks for included files in the working directory, and takes 4294973675 for
 * 6379. So the text is read here: `@include "FILE"` at the start of a line is replaced by the file
 * (relative to the including one), numbers beyond 32 bits get the L they need, and the rest is
 * refused. source_where() tells which line of which file a line of the result was. Internal to
 * config/.
 */
#ifndef VISITCOUNTD_CONFIG_SOURCE_H
#define VISITCOUNTD_CONFIG_SOURCE_H

#include "base/buf.h"

#include <stddef.h>

struct source_line;

struct source {
    struct buf text; /* never without a NUL */
    struct source_line *lines;
    size_t line_count;
    size_t line_capacity;
    char **files; /* names of all files, which the lines point to */
    size_t file_count;
};

/** Longest text of a file with all that it includes. */
#define SOURCE_BYTES_MAX ((size_t)1 << 20)

void source_init(struct source *source);
void source_finish(struct source *source);

/**
 * Reads `path` and what it includes. Returns 0; or a negative errno when `path` itself cannot be
 * read, with nothing appended to `errors`; or 1 after appending one line for each error in it.
 */
int source_read(struct source *source, const char *path, struct buf *errors);

/** The file that line `line` (from 1) of the text comes from, and its line there in `ret_line`. */
const char *source_where(const struct source *source, size_t line, size_t *ret_line);

/**
 * Appends the bytes of the file at `path` to `out`. Returns 0, -EFBIG when it is longer than
 * `max_bytes`, or another negative errno; -EISDIR for a directory.
 */
int source_read_file(const char *path, size_t max_bytes, struct buf *out);

/** `path`, or, when that is relative, `path` in the directory of `file`. The caller frees it. */
char *source_resolve(const char *file, const char *path);

#endif
