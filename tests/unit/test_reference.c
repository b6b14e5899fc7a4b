/* SPDX-License-Identifier: MIT */
/*
 * Checks that the texts generated from src/config/options.def are up to date. Runs in the root of
 * the sources, or in $SOURCE_DIRECTORY. With --update it writes the files instead.
 */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/** A file, and the lines before and after the generated text. NULL: the whole file is generated. */
static const struct reference {
    const char *form;
    const char *path;
    const char *begin;
    const char *end;
} references[] = {
    {"conf", "etc/visitcountd.conf", NULL, NULL},
    {"markdown", "docs/configure.md", "<!-- BEGIN visitcountd --print-reference markdown -->\n",
     "<!-- END visitcountd --print-reference markdown -->\n"},
    {"man", "man/visitcountd.conf.5", ".\\\" BEGIN visitcountd --print-reference man\n",
     ".\\\" END visitcountd --print-reference man\n"},
};

#define REFERENCES (sizeof(references) / sizeof(references[0]))

/** Reads the whole file. Returns false if it cannot be opened. */
static bool read_text(const char *path, struct buf *ret_text)
{
    FILE *file = fopen(path, "r");
    int c;

    buf_init(ret_text);
    if (file == NULL) {
        return false;
    }
    while ((c = getc(file)) != EOF) {
        buf_putc(ret_text, (char)c);
    }
    fclose(file);
    buf_puts(ret_text, "");
    return true;
}

/**
 * Makes the expected text: the present text with a new generated part. Returns false if the marks
 * are missing.
 */
static bool make_text(const struct reference *reference, const char *present, struct buf *ret_text)
{
    const char *begin;
    const char *end;

    buf_init(ret_text);
    if (reference->begin == NULL) {
        return config_print_reference(reference->form, ret_text) == 0;
    }
    begin = strstr(present, reference->begin);
    end = strstr(present, reference->end);
    if (begin == NULL || end == NULL || begin > end) {
        return false;
    }
    begin += strlen(reference->begin);
    buf_append(ret_text, present, (size_t)(begin - present));
    if (config_print_reference(reference->form, ret_text) < 0) {
        return false;
    }
    buf_puts(ret_text, end);
    return true;
}

static void check_reference(const struct reference *reference)
{
    struct buf present;
    struct buf expected;

    if (!read_text(reference->path, &present)) {
        if (reference->begin != NULL) {
            skip(); /* not written yet */
        }
        fail_msg("%s cannot be read", reference->path);
    }
    if (!make_text(reference, present.bytes, &expected)) {
        fail_msg("%s has no lines %s and %s", reference->path, reference->begin, reference->end);
    }
    if (strcmp(present.bytes, expected.bytes) != 0) {
        fail_msg("%s is stale: run test_reference --update", reference->path);
    }
    buf_finish(&present);
    buf_finish(&expected);
}

static void the_example_is_current(void **state)
{
    (void)state;
    check_reference(&references[0]);
}

static void the_table_in_the_readme_is_current(void **state)
{
    (void)state;
    check_reference(&references[1]);
}

static void the_list_in_the_manual_is_current(void **state)
{
    (void)state;
    check_reference(&references[2]);
}

static int write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    return file == NULL || fputs(text, file) < 0 || fclose(file) != 0;
}

static int update(const struct reference *reference)
{
    struct buf present;
    struct buf expected;
    bool exists = read_text(reference->path, &present);
    int rc = 1;

    if (!exists && reference->begin != NULL) {
        return 0;
    }
    if (make_text(reference, present.bytes, &expected)) {
        bool is_current = exists && strcmp(present.bytes, expected.bytes) == 0;

        rc = is_current ? 0 : write_text(reference->path, expected.bytes);
    }
    fprintf(stderr, "%s: %s\n", reference->path, rc == 0 ? "current" : "not written");
    buf_finish(&present);
    buf_finish(&expected);
    return rc;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_current),
        cmocka_unit_test(the_table_in_the_readme_is_current),
        cmocka_unit_test(the_list_in_the_manual_is_current),
    };
    const char *directory = getenv("SOURCE_DIRECTORY");
    int rc = 0;

    if (directory != NULL && chdir(directory) < 0) {
        perror(directory);
        return 1;
    }
    if (argc < 2 || strcmp(argv[1], "--update") != 0) {
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    for (size_t i = 0; i < REFERENCES; i++) {
        rc |= update(&references[i]);
    }
    return rc;
}
