/* SPDX-License-Identifier: MIT */
#include "config/source.h"

#include "config_fixture.h"

#include "config/redis_url.h"
#include "base/suggest.h"

#include <errno.h>
#include <sys/stat.h>

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* source */

/** Reads "test.conf" with the content `text`. The caller finishes the source. */
static void read_source(const char *text, struct source *source)
{
    struct buf errors = BUF_EMPTY;

    write_text("test.conf", text);
    source_init(source);
    assert_int_equal(source_read(source, "test.conf", &errors), 0);
    assert_int_equal(errors.length, 0);
}

/** Reads a wrong `text` and compares the error. */
static void read_wrong(const char *text, size_t length, const char *expected)
{
    struct buf errors = BUF_EMPTY;
    struct source source;

    write_file("test.conf", text, length);
    source_init(&source);
    assert_int_equal(source_read(&source, "test.conf", &errors), 1);
    assert_string_equal(errors.bytes, expected);
    source_finish(&source);
    buf_finish(&errors);
}

static void check_line(const struct source *source, size_t line, const char *file, size_t expected)
{
    size_t found;

    assert_string_equal(source_where(source, line, &found), file);
    assert_int_equal(found, expected);
}

static void texts_that_change_and_texts_that_do_not(void **state)
{
    static const struct {
        const char *text;
        const char *read;
    } rows[] = {
        {"", "\n"},
        {"\xef\xbb\xbf"
         "a = 1;",
         "a = 1;\n"},
        {"a = 2147483647;", "a = 2147483647;\n"},
        {"a = 2147483648;", "a = 2147483648L;\n"},
        {"a = -3000000000, b = 3000000000L;", "a = -3000000000L, b = 3000000000L;\n"},
        {"a = 3000000000LL;", "a = 3000000000LL;\n"},
        {"a = 0x7fffffff; b = 0X80000000;", "a = 0x7fffffff; b = 0X80000000L;\n"},
        {"a = 3000000000.5e+10;", "a = 3000000000.5e+10;\n"},
        {"a = .3000000000;", "a = .3000000000;\n"},
        {"a = 3000000000e3000000000;", "a = 3000000000e3000000000;\n"},
        {"a3000000000-3000000000 = 1;", "a3000000000-3000000000 = 1;\n"},
        {"a = \"3000000000 # // /* \\\" \\\\\"; # \" 1",
         "a = \"3000000000 # // /* \\\" \\\\\"; \n"},
        {"a = \"\\\\x00\";", "a = \"\\\\x00\";\n"},
        {"a // \"\n= 1;", "a \n= 1;\n"},
        {"a /* \" \n @include \"x\" */= 1;", "a \n = 1;\n"},
        {"a = \"@include\"; @include \"x\"", "a = \"@include\"; @include \"x\"\n"},
        {"@include", "@include\n"},
        {"@include\"x\"", "@include\"x\"\n"},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct source source;

        read_source(rows[i].text, &source);
        assert_string_equal(source.text.bytes, rows[i].read);
        source_finish(&source);
    }
}

static void included_files_and_the_lines_they_have(void **state)
{
    struct source source;

    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    write_text("sub/one.conf", "one = 1;\n\t@include\t\"two.conf\"\n");
    write_text("sub/two.conf", "two = 2;");
    read_source("a = 1;\n@include \"sub/one.conf\" b = 2;\n/*\n*/ c = 3;\n", &source);
    assert_string_equal(source.text.bytes,
                        "a = 1;\n\none = 1;\n\ntwo = 2;\n\n\n b = 2;\n\n  c = 3;\n\n");
    check_line(&source, 0, "test.conf", 1);
    check_line(&source, 1, "test.conf", 1);
    check_line(&source, 2, "test.conf", 2);
    check_line(&source, 3, "sub/one.conf", 1);
    check_line(&source, 5, "sub/two.conf", 1);
    check_line(&source, 8, "test.conf", 2);
    check_line(&source, 10, "test.conf", 4);
    check_line(&source, 999, "test.conf", 5);
    source_finish(&source);
}

static void a_setting_of_an_included_file_has_its_place(void **state)
{
    struct config *config;

    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    write_text("sub/more.conf", "\ninstance = \"x\"; http: { max_connections = 1; };\n");
    load_wrong(&(struct given){.file = "\n@include \"sub/more.conf\"\nsites = 5;\n"},
               "sub/more.conf:2: http.max_connections: expected a whole number from 16 to 1000000, "
               "got 1\n"
               "test.conf:3: sites: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of "
               "a site, or \"*\" in quotes, got 5\n");
    write_text("sub/more.conf", "\ninstance = \"x\";\n");
    config = load_right(&(struct given){.file = "@include \"sub/more.conf\"\nsites = \"a\";\n"});
    assert_string_equal(config->sources[CONFIG_instance], "sub/more.conf:2");
    assert_string_equal(config->sources[CONFIG_sites], "test.conf:2");
    config_unload(config);
}

static void includes_that_cannot_be(void **state)
{
    static const struct {
        const char *text;
        const char *errors;
    } rows[] = {
        {"@include \"absent\"\n@include \"/\"",
         "test.conf:1: @include absent: No such file or directory\n"
         "test.conf:2: @include /: Is a directory\n"},
        {"\n@include \"test.conf\"",
         "test.conf:2: @include test.conf: too many files, or too deep\n"},
        {"@include \"a\x1e\x7f\"", "test.conf:1: @include a??: No such file or directory\n"},
        {"@include \"/dev/zero\"", "test.conf:1: @include /dev/zero: File too large\n"},
        {"@include \"x\n", "test.conf:1: this string has no end: '\"' is missing\n"},
        {"@include \"", "test.conf:1: this string has no end: '\"' is missing\n"},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        read_wrong(rows[i].text, strlen(rows[i].text), rows[i].errors);
    }
}

static void a_nul_byte_ends_nothing_unseen(void **state)
{
    (void)state;
    read_wrong("a = 1;\nb\0 = 2;\n", 15, "test.conf:2: there is a NUL byte in this line\n");
    read_wrong("\0", 1, "test.conf:1: there is a NUL byte in this line\n");
}

static void a_file_of_a_pipe_is_read_to_its_end(void **state)
{
    struct buf bytes = BUF_EMPTY;
    char path[32];
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "text", 4), 4);
    close(fds[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
    assert_int_equal(source_read_file(path, 4, &bytes), 0);
    assert_string_equal(bytes.bytes, "text");
    close(fds[0]);
    write_text("five", "12345");
    assert_int_equal(source_read_file("five", 4, &bytes), -EFBIG);
    assert_int_equal(source_read_file("absent", 4, &bytes), -ENOENT);
    buf_finish(&bytes);
}

static void relative_paths_begin_at_the_file(void **state)
{
    static const struct {
        const char *file;
        const char *path;
        const char *resolved;
    } rows[] = {
        {"/etc/x.conf", "y", "/etc/y"},
        {"/etc/x.conf", "/y", "/y"},
        {"x.conf", "y", "y"},
        {"a/b/x.conf:12", "../y", "a/b/../y"},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char *resolved = source_resolve(rows[i].file, rows[i].path);

        assert_string_equal(resolved, rows[i].resolved);
        free(resolved);
    }
}

/* suggest */

static void nearest_names(void **state)
{
    static const struct {
        const char *wanted;
        const char *nearest;
    } rows[] = {
        {"redis.prot", "redis.port"},
        {"redis.ports", "redis.port"},
        {"redisport", "redis.port"},
        {"Redis.Port", "redis.port"},
        {"redis.hostname", NULL},
        {"port", "redis.port"},
        {"mysql.port", "redis.port"},
        {"site", "sites"},
        {"stie", "sites"},
        {"listen", "http.listen"},
        {"", NULL},
        {"x", NULL},
        {LONG LONG "sites", NULL},
    };
    static const char *const known[] = {"redis.host", "redis.port", "http.listen", "metrics.listen",
                                        "sites"};

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct suggestion suggestion;
        const char *nearest;

        suggestion_init(&suggestion, rows[i].wanted);
        for (size_t k = 0; k < LENGTH(known); k++) {
            suggestion_offer(&suggestion, known[k]);
        }
        nearest = suggestion_get(&suggestion);
        if (nearest == NULL || rows[i].nearest == NULL) {
            assert_ptr_equal(nearest, rows[i].nearest);
        } else {
            assert_string_equal(nearest, rows[i].nearest);
        }
    }
}

/* redis_url */

/** Writes "host port socket username password db tls", with "-" for missing parts. */
static char *describe_url(const struct redis_url *url)
{
    struct buf out = BUF_EMPTY;

    for (size_t i = 0; i < REDIS_URL_PARTS; i++) {
        const char *text = url->parts[i].text;

        buf_printf(&out, "%s%s", i != 0 ? " " : "", text != NULL ? text : "-");
    }
    return buf_steal(&out);
}

static void urls(void **state)
{
    static const struct {
        const char *url;
        const char *parts;
    } rows[] = {
        {"redis://h", "h 6379 - - - - -"},
        {"redis://h/", "h 6379 - - - - -"},
        {"redis://h:7000/3", "h 7000 - - - 3 -"},
        {"rediss://h", "h 6379 - - - - true"},
        {"redis://u:p@h", "h 6379 - u p - -"},
        {"redis://:p@h", "h 6379 - - p - -"},
        {"redis://u@h", "h 6379 - u - - -"},
        {"redis://u:@h", "h 6379 - u - - -"},
        {"redis://@h", "h 6379 - - - - -"},
        {"redis://u:a%40b%2fc:%25@[::1]:7/0", "::1 7 - u a@b/c:% 0 -"},
        {"redis://[::1]", "::1 6379 - - - - -"},
        {"redis://a@b@h", "h 6379 - a@b - - -"},
        {"unix:///run/redis.sock", "- - /run/redis.sock - - - -"},
        {"redis+unix:///run/a%20b?db=2", "- - /run/a b - - 2 -"},
        {"unix://u:p@/run/x@y", "- - /run/x@y u p - -"},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct redis_url url;
        char *parts;

        assert_null(redis_url_parse(rows[i].url, &url));
        parts = describe_url(&url);
        assert_string_equal(parts, rows[i].parts);
        free(parts);
        redis_url_finish(&url);
    }
}

static void urls_that_are_none(void **state)
{
    static const char *const rows[] = {
        "",
        "h",
        "h:6379",
        "http://h",
        "REDIS://h",
        "redis:h",
        "redis://",
        "redis://:6379",
        "redis://u:p@",
        "redis://h:port",
        "redis://h:65536",
        "redis://h:",
        "redis://::1",
        "redis://unix:/x",
        "redis://h?timeout=1",
        "redis://:p%4@h",
        "redis://:p%zz@h",
        "redis://:p%00@h",
        "redis://:p%",
        "unix://",
        "unix://?db=1",
        "unix:///x?timeout=1",
        "unix:///x%0",
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct redis_url url;

        if (redis_url_parse(rows[i], &url) == NULL) {
            fail_msg("%s is understood", rows[i]);
        }
        redis_url_finish(&url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(texts_that_change_and_texts_that_do_not),
        config_test(included_files_and_the_lines_they_have),
        config_test(a_setting_of_an_included_file_has_its_place),
        config_test(includes_that_cannot_be),
        config_test(a_nul_byte_ends_nothing_unseen),
        config_test(a_file_of_a_pipe_is_read_to_its_end),
        config_test(relative_paths_begin_at_the_file),
        config_test(nearest_names),
        config_test(urls),
        config_test(urls_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
