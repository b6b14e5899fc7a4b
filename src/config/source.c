/* SPDX-License-Identifier: MIT */
#include "config/source.h"

#include "base/alloc.h"
#include "config/error_line.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define INCLUDE_DEPTH_MAX 10

/* files may be included again and again: this bounds their number */
#define FILES_MAX 1000

/* what may stand in a name of libconfig */
#define NAME_START "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*"
#define DIGITS     "0123456789"
#define NAME       NAME_START DIGITS "_-"

struct source_line {
    const char *file;
    size_t line;
};

/** One file that is being copied into the text. */
struct reader {
    struct source *source;
    struct buf *errors;
    const char *file;
    size_t line;
    const char *at; /* next byte; the bytes end with a NUL at `end` */
    const char *end;
    unsigned depth;
    bool failed;
};

static int copy_file(struct source *source, const char *path, unsigned depth, struct buf *errors);

void source_init(struct source *source)
{
    *source = (struct source){.text = BUF_EMPTY};
}

void source_finish(struct source *source)
{
    for (size_t i = 0; i < source->file_count; i++) {
        free(source->files[i]);
    }
    free(source->files);
    free(source->lines);
    buf_finish(&source->text);
    source_init(source);
}

static void *grow(void *items, size_t count, size_t size)
{
    void *grown = reallocarray(items, count, size);

    if (grown == NULL) {
        abort();
    }
    return grown;
}

static const char *add_file(struct source *source, const char *path)
{
    char *copy = alloc_text(path);

    source->files = grow(source->files, source->file_count + 1, sizeof(source->files[0]));
    source->files[source->file_count++] = copy;
    return copy;
}

static void fail(struct reader *reader, const char *problem)
{
    error_line(reader->errors, "%s:%zu: %s", reader->file, reader->line, problem);
    reader->failed = true;
}

/** Says that the text's next line is the reader's current one. */
static void begin_line(struct reader *reader)
{
    struct source *source = reader->source;

    if (source->line_count == source->line_capacity) {
        source->line_capacity = source->line_capacity != 0 ? source->line_capacity * 2 : 64;
        source->lines = grow(source->lines, source->line_capacity, sizeof(source->lines[0]));
    }
    source->lines[source->line_count++] = (struct source_line){reader->file, reader->line};
}

static void copy_bytes(struct reader *reader, size_t length)
{
    buf_append(&reader->source->text, reader->at, length);
    reader->at += length;
}

static void copy_newline(struct reader *reader)
{
    copy_bytes(reader, 1);
    reader->line++;
    begin_line(reader);
}

static void skip_line_comment(struct reader *reader)
{
    reader->at += strcspn(reader->at, "\n");
}

static void copy_block_comment(struct reader *reader)
{
    const char *close = strstr(reader->at + 2, "*/");

    if (close == NULL) {
        fail(reader, "this comment has no end: \"*/\" is missing");
        reader->at = reader->end;
        return;
    }
    while (reader->at < close) {
        if (*reader->at == '\n') {
            copy_newline(reader);
        } else {
            reader->at++;
        }
    }
    reader->at = close + 2;
    buf_putc(&reader->source->text, ' ');
}

/** The length of the string at `at` with its quotes, or 0 when it does not end on its line. */
static size_t measure_string(const char *at)
{
    size_t length = 1;

    while (at[length] != '"') {
        if (at[length] == '\\' && (at[length + 1] == '"' || at[length + 1] == '\\')) {
            length++;
        }
        if (at[length] == '\0' || at[length] == '\n') {
            return 0;
        }
        length++;
    }
    return length + 1;
}

static void copy_string(struct reader *reader)
{
    size_t length = measure_string(reader->at);

    if (length == 0) {
        fail(reader, "this string has no end: '\"' is missing");
        skip_line_comment(reader);
        return;
    }
    for (size_t i = 1; i + 3 < length; i++) {
        if (reader->at[i] != '\\') {
            continue;
        }
        if (strncasecmp(reader->at + i, "\\x00", 4) == 0) {
            fail(reader, "a string cannot contain \\x00");
            break;
        }
        i++;
    }
    copy_bytes(reader, length);
}

/** Whether libconfig would keep only the low 32 bits of the whole number at `digits`. */
static bool needs_long(const char *digits, int base)
{
    unsigned long long value;

    errno = 0;
    value = strtoull(digits, NULL, base);
    return errno == ERANGE || value > INT_MAX;
}

static void copy_number(struct reader *reader)
{
    bool is_hex = strncasecmp(reader->at, "0x", 2) == 0;
    const char *start = reader->at;
    size_t length = is_hex ? 2 + strspn(start + 2, DIGITS "abcdefABCDEF") : strspn(start, DIGITS);
    bool is_float = !is_hex && start[length] != '\0' && strchr(".eE", start[length]) != NULL;

    if (is_float) {
        copy_bytes(reader, strspn(start, DIGITS ".eE+-"));
        return;
    }
    copy_bytes(reader, length);
    if (*reader->at != 'L' && needs_long(start, is_hex ? 16 : 10)) {
        buf_putc(&reader->source->text, 'L');
    }
    copy_bytes(reader, strspn(reader->at, "L"));
}

/** Whether an include begins at the start of a line; `ret_length`: up to the name's quote. */
static bool is_include(const char *at, size_t *ret_length)
{
    size_t length = strspn(at, " \t");
    size_t blanks;

    if (strncmp(at + length, "@include", 8) != 0) {
        return false;
    }
    length += 8;
    blanks = strspn(at + length, " \t");
    *ret_length = length + blanks;
    return blanks != 0 && at[length + blanks] == '"';
}

static char *unquote(const char *string, size_t length)
{
    struct buf path = BUF_EMPTY;

    for (size_t i = 1; i + 1 < length; i++) {
        if (string[i] == '\\' && (string[i + 1] == '\\' || string[i + 1] == '"')) {
            i++;
        }
        buf_putc(&path, string[i]);
    }
    return buf_steal(&path);
}

static void include(struct reader *reader, const char *name)
{
    char *path = source_resolve(reader->file, name);
    int rc = -ELOOP;

    if (reader->depth < INCLUDE_DEPTH_MAX && reader->source->file_count < FILES_MAX) {
        rc = copy_file(reader->source, path, reader->depth + 1, reader->errors);
    }
    if (rc > 0) {
        reader->failed = true;
    } else if (rc < 0) {
        struct buf problem = BUF_EMPTY;

        buf_printf(&problem, "@include %s: %s", path,
                   rc == -ELOOP ? "too many files, or too deep" : strerror(-rc));
        fail(reader, problem.bytes);
        buf_finish(&problem);
    }
    free(path);
}

static void copy_include(struct reader *reader, size_t length)
{
    size_t name_length;
    char *name;

    reader->at += length;
    name_length = measure_string(reader->at);
    if (name_length == 0) {
        copy_string(reader); /* which says what is wrong */
        return;
    }
    name = unquote(reader->at, name_length);
    reader->at += name_length;
    buf_putc(&reader->source->text, '\n');
    include(reader, name);
    begin_line(reader); /* the rest of this one */
    free(name);
}

static void copy_token(struct reader *reader)
{
    const char *at = reader->at;

    if (*at == '\n') {
        copy_newline(reader);
    } else if (*at == '"') {
        copy_string(reader);
    } else if (*at == '#' || (at[0] == '/' && at[1] == '/')) {
        skip_line_comment(reader);
    } else if (at[0] == '/' && at[1] == '*') {
        copy_block_comment(reader);
    } else if (strchr(NAME_START, *at) != NULL) {
        copy_bytes(reader, strspn(at, NAME));
    } else if (strchr(DIGITS, *at) != NULL) {
        copy_number(reader);
    } else if (*at == '.') {
        copy_bytes(reader, strspn(at, DIGITS ".eE+-"));
    } else {
        copy_bytes(reader, 1);
    }
}

static void copy_text(struct reader *reader)
{
    size_t length;

    if (strncmp(reader->at, "\xef\xbb\xbf", 3) == 0) {
        reader->at += 3; /* a byte order mark */
    }
    begin_line(reader);
    while (reader->at < reader->end) {
        bool at_start = reader->source->text.length == 0 ||
                        reader->source->text.bytes[reader->source->text.length - 1] == '\n';

        if (at_start && is_include(reader->at, &length)) {
            copy_include(reader, length);
        } else {
            copy_token(reader);
        }
    }
    buf_putc(&reader->source->text, '\n');
}

/** Reads the whole file at once; NUL-terminated and, for the sake of libconfig, without others. */
static int copy_file(struct source *source, const char *path, unsigned depth, struct buf *errors)
{
    struct reader reader = {.source = source, .errors = errors, .line = 1, .depth = depth};
    struct buf bytes = BUF_EMPTY;
    const char *nul;
    int rc = -EFBIG;

    if (source->text.length < SOURCE_BYTES_MAX) {
        rc = source_read_file(path, SOURCE_BYTES_MAX - source->text.length, &bytes);
    }
    if (rc < 0) {
        buf_finish(&bytes);
        return rc;
    }
    buf_puts(&bytes, "");
    reader.file = add_file(source, path);
    reader.at = bytes.bytes;
    reader.end = bytes.bytes + bytes.length;
    nul = memchr(bytes.bytes, '\0', bytes.length);
    if (nul != NULL) {
        reader.end = nul;
    }
    copy_text(&reader);
    if (nul != NULL) {
        fail(&reader, "there is a NUL byte in this line");
    }
    buf_finish(&bytes);
    return reader.failed ? 1 : 0;
}

int source_read(struct source *source, const char *path, struct buf *errors)
{
    return copy_file(source, path, 0, errors);
}

const char *source_where(const struct source *source, size_t line, size_t *ret_line)
{
    const struct source_line *found;

    if (line == 0 || line > source->line_count) {
        line = line == 0 ? 1 : source->line_count;
    }
    found = &source->lines[line - 1];
    *ret_line = found->line;
    return found->file;
}

static int read_all(int fd, size_t max_bytes, struct buf *out)
{
    size_t start = out->length;

    for (;;) {
        char bytes[4096];
        ssize_t length = read(fd, bytes, sizeof(bytes));

        if (length < 0 && errno == EINTR) {
            continue;
        }
        if (length <= 0) {
            return length < 0 ? -errno : 0;
        }
        buf_append(out, bytes, (size_t)length);
        if (out->length - start > max_bytes) {
            return -EFBIG;
        }
    }
}

int source_read_file(const char *path, size_t max_bytes, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int rc;

    if (fd < 0) {
        return -errno;
    }
    rc = read_all(fd, max_bytes, out);
    close(fd);
    return rc;
}

char *source_resolve(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    struct buf resolved = BUF_EMPTY;

    if (path[0] != '/' && slash != NULL) {
        buf_append(&resolved, file, (size_t)(slash - file) + 1);
    }
    buf_puts(&resolved, path);
    return buf_steal(&resolved);
}
