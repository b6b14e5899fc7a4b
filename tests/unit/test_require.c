/* SPDX-License-Identifier: MIT */
/* An assertion ends the process in every build, also in one with NDEBUG, and names its place. */
#ifndef NDEBUG
#define NDEBUG
#endif
#include "base/require.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* the child: its standard error goes to `fd` */
static void prepare_to_fail(int fd)
{
    const struct rlimit no_core = {0};

    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL);
    dup2(fd, STDERR_FILENO);
}

static void test_a_false_one_aborts_and_names_its_place(void **state)
{
    char text[1024] = "";
    char place[64];
    size_t length = 0;
    ssize_t count;
    int line;
    int status;
    int ends[2];
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        prepare_to_fail(ends[1]);
    }
    line = __LINE__ + 1;
    require(child != 0);
    close(ends[1]);
    while ((count = read(ends[0], text + length, sizeof(text) - 1 - length)) > 0) {
        length += (size_t)count;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    snprintf(place, sizeof(place), "test_require.c:%d: ", line);
    assert_non_null(strstr(text, place));
    assert_non_null(strstr(text, "child != 0"));
}

static void test_a_true_one_is_evaluated_once(void **state)
{
    int calls = 0;

    (void)state;
    require(++calls == 1);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_false_one_aborts_and_names_its_place),
        cmocka_unit_test(test_a_true_one_is_evaluated_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
