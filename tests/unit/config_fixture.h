/* SPDX-License-Identifier: MIT */
/**
 * config_fixture: loads a config from texts for the tests of config/. Every test runs in an empty
 * directory of its own. It reads the file "test.conf" there, and no other file of the machine.
 */
#ifndef VISITCOUNTD_TESTS_CONFIG_FIXTURE_H
#define VISITCOUNTD_TESTS_CONFIG_FIXTURE_H

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define GIVEN_MAX 8

/** The input of an operator. Lists end with NULL. */
struct given {
    const char *file; /* text of test.conf */
    const char *environment[GIVEN_MAX];
    const char *sets[GIVEN_MAX];
};

static inline int enter_directory(void **state)
{
    char name[] = "/tmp/visitcountd-test-XXXXXX";

    *state = strdup(mkdtemp(name));
    return chdir(*state);
}

static inline int leave_directory(void **state)
{
    char command[64];
    int rc;

    snprintf(command, sizeof(command), "rm -r %s", (char *)*state);
    rc = chdir("/") == 0 ? system(command) : -1;
    free(*state);
    return rc;
}

static inline void write_file(const char *name, const void *bytes, size_t length)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

/** Loads `given`. Afterwards `errors` ends with a NUL. */
static inline struct config *load(const struct given *given, struct buf *errors)
{
    struct config_request request = {
        .file = "test.conf",
        .sets = (char **)given->sets,
        .environment = (char **)given->environment,
    };
    struct config *config;

    while (given->sets[request.set_count] != NULL) {
        request.set_count++;
    }
    write_text("test.conf", given->file != NULL ? given->file : "");
    config = config_load(&request, errors);
    buf_puts(errors, "");
    return config;
}

/** Loads a correct config. The caller unloads the result. */
static inline struct config *load_right(const struct given *given)
{
    struct buf errors = BUF_EMPTY;
    struct config *config = load(given, &errors);

    if (config == NULL) {
        fail_msg("not loaded: %s", errors.bytes);
    }
    assert_string_equal(errors.bytes, "");
    buf_finish(&errors);
    return config;
}

/** Loads a wrong config and compares all errors with `expected`. */
static inline void load_wrong(const struct given *given, const char *expected)
{
    struct buf errors = BUF_EMPTY;

    if (load(given, &errors) != NULL) {
        fail_msg("loaded in spite of: %s", expected);
    }
    assert_string_equal(errors.bytes, expected);
    buf_finish(&errors);
}

#define config_test(function) \
    cmocka_unit_test_setup_teardown(function, enter_directory, leave_directory)

#endif
