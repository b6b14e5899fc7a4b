/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include <sys/stat.h>

#define EIGHTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct wrong_row {
    struct given given;
    const char *errors;
};

static void check_wrong(const struct wrong_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        load_wrong(&rows[i].given, rows[i].errors);
    }
}

/** One bad line of the file, and the error behind "test.conf:1: ". */
struct line_row {
    const char *line;
    const char *error;
};

static void check_lines(const struct line_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf expected = BUF_EMPTY;

        buf_printf(&expected, "test.conf:1: %s\n", rows[i].error);
        load_wrong(&(struct given){.file = rows[i].line}, expected.bytes);
        buf_finish(&expected);
    }
}

static void unknown_names_in_the_file(void **state)
{
    static const struct line_row rows[] = {
        {"redis: { prot = 1 };", "redis.prot: unknown option; did you mean redis.port?"},
        {"redis: { pasword = \"hunter2\" };",
         "redis.pasword: unknown option; did you mean redis.password?"},
        {"redis: { password_fil = \"hunter2\" };",
         "redis.password_fil: unknown option; did you mean redis.password_file?"},
        {"reddis: { host = \"h\" };", "reddis: unknown option; did you mean redis?"},
        {"port = 1;", "port: unknown option; did you mean redis.port?"},
        {"Sites = \"a\";", "Sites: unknown option; did you mean sites?"},
        {"xyzzy = 1;", "xyzzy: unknown option"},
        {"redis: { tls: { ca = 1 } };", "redis.tls: expected true or false, got a group"},
        {"http = \":80\";", "http: expected a group: http = { … }"},
        {"http = [];", "http: expected a group: http = { … }"},
    };

    (void)state;
    check_lines(rows, LENGTH(rows));
}

static void wrong_types_in_the_file(void **state)
{
    static const struct line_row rows[] = {
        {"redis: { port = \"abc\" };",
         "redis.port: expected a whole number from 1 to 65535, got \"abc\""},
        {"redis: { port = \"6379\" };",
         "redis.port: expected a whole number from 1 to 65535 without quotes, got \"6379\""},
        {"redis: { port = 6379.5 };",
         "redis.port: expected a whole number from 1 to 65535, got 6379.5"},
        {"redis: { port = true };",
         "redis.port: expected a whole number from 1 to 65535, got true"},
        {"redis: { port = [1] };",
         "redis.port: expected a whole number from 1 to 65535, got a list"},
        {"redis: { host = 5 };",
         "redis.host: expected a host name or an address without port, got 5"},
        {"redis: { username = {} };",
         "redis.username: expected text of at most 255 bytes in quotes, got a group"},
        {"redis: { tls = \"true\" };",
         "redis.tls: expected true or false without quotes, got \"true\""},
        {"redis: { tls = 2 };", "redis.tls: expected true or false, got 2"},
        {"store: { backend = \"mysql\" };",
         "store.backend: expected \"auto\", \"redis\" or \"sqlite\", got \"mysql\""},
        {"store: { backend = 1 };",
         "store.backend: expected \"auto\", \"redis\" or \"sqlite\", got 1"},
        {"redis: { command_timeout = 250 };",
         "redis.command_timeout: expected a duration with a unit, such as \"250ms\" or \"5s\", got "
         "250"},
        {"redis: { command_timeout = \"250\" };",
         "redis.command_timeout: expected a duration with a unit, such as \"250ms\" or \"5s\", got "
         "\"250\""},
        {"redis: { command_timeout = \"2 s\" };",
         "redis.command_timeout: expected a duration with a unit, such as \"250ms\" or \"5s\", got "
         "\"2 s\""},
        {"sites = [1, 2];",
         "sites: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a site, or \"*\" in "
         "quotes, got 1; expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a site, or "
         "\"*\" in quotes, got 2"},
        {"trusted_proxies = 5;",
         "trusted_proxies: expected a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or an "
         "address, got 5"},
    };

    (void)state;
    check_lines(rows, LENGTH(rows));
}

static void values_out_of_range(void **state)
{
    static const struct line_row rows[] = {
        {"redis: { port = 0 };", "redis.port: expected a whole number from 1 to 65535, got 0"},
        {"redis: { port = 65536 };",
         "redis.port: expected a whole number from 1 to 65535, got 65536"},
        {"redis: { port = -1 };", "redis.port: expected a whole number from 1 to 65535, got -1"},
        {"redis: { command_timeout = \"1ms\" };",
         "redis.command_timeout: expected a duration from \"10ms\" to \"1m\", got \"1ms\""},
        {"redis: { command_timeout = 0 };",
         "redis.command_timeout: expected a duration from \"10ms\" to \"1m\", got 0"},
        {"ledger: { ttl = \"213503982335d\" };",
         "ledger.ttl: expected a duration from \"1h\" to \"365d\", got \"213503982335d\""},
        {"sites = [];", "sites: expected 1 to 10000 items, got 0"},
        {"metrics: { listen = \"a:1,a:2,a:3,a:4,a:5\" };",
         "metrics.listen: expected 0 to 4 items, got 5"},
        {"sqlite: { path = \"\" };", "sqlite.path: expected text of 1 to 4095 bytes, got \"\""},
    };

    (void)state;
    check_lines(rows, LENGTH(rows));
}

/* libconfig 1.5 keeps the low 32 bits: these would be 6379, 6379, -1, 705032705 and 6379. */
static void numbers_beyond_32_bits_are_not_cut(void **state)
{
    static const struct line_row rows[] = {
        {"redis: { port = 4294973675 };",
         "redis.port: expected a whole number from 1 to 65535, got 4294973675"},
        {"redis: { port = 0x1000018EB };",
         "redis.port: expected a whole number from 1 to 65535, got 4294973675"},
        {"redis: { port = 0xFFFFFFFF };",
         "redis.port: expected a whole number from 1 to 65535, got 4294967295"},
        {"redis: { db = 5000000001 };",
         "redis.db: expected a whole number from 0 to 1000000, got 5000000001"},
        {"redis: { port = 18446744073709558000 };",
         "redis.port: expected a whole number from 1 to 65535, got 9223372036854775807"},
        {"redis: { port = -4294960917 };",
         "redis.port: expected a whole number from 1 to 65535, got -4294960917"},
    };

    (void)state;
    check_lines(rows, LENGTH(rows));
}

static void bad_addresses_and_names(void **state)
{
    static const struct line_row rows[] = {
        {"http: { listen = \"8080\" };",
         "http.listen: expected \"HOST:PORT\", \"[IPV6]:PORT\" or \"unix:PATH\", got \"8080\""},
        {"http: { listen = [\"a:1\", \"a:b\"] };",
         "http.listen: expected \"HOST:PORT\", \"[IPV6]:PORT\" or \"unix:PATH\", got \"a:b\""},
        {"http: { listen = \"a:1,,b:2\" };",
         "http.listen: expected \"HOST:PORT\", \"[IPV6]:PORT\" or \"unix:PATH\", got \"\""},
        {"http: { listen = [\"a:1\", \"b:1\", \"a:1\"] };", "http.listen: \"a:1\" is there twice"},
        {"http: { listen = \"127.0.0.1:65536\" };",
         "http.listen: expected a host of at most 255 bytes and a port from 0 to 65535, got "
         "\"127.0.0.1:65536\""},
        {"http: { listen = \"unix:/" EIGHTY "/aaaaaaaaaaaaaaaaaaaaaaaaaaaa\" };",
         "http.listen: expected the path of a unix socket in at most 107 bytes, got "
         "\"unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" and so on (115 "
         "bytes)"},
        {"http: { listen = \"unix:/run/%n\" };",
         "http.listen: expected a path in which each \"%\" begins \"%i\" or \"%%\", got "
         "\"unix:/run/%n\""},
        {"redis: { host = \"10.0.0.1:6379\" };",
         "redis.host: expected a host name or an address without port, got \"10.0.0.1:6379\""},
        {"redis: { host = \"unix:/run/redis\" };",
         "redis.host: expected a host name or an address without port, got \"unix:/run/redis\""},
        {"redis: { socket = \"/" EIGHTY "/aaaaaaaaaaaaaaaaaaaaaaaaaa\" };",
         "redis.socket: expected text of at most 107 bytes, got "
         "\"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" and so on (108 "
         "bytes)"},
        {"trusted_proxies = \"10.0.0.1/8\";",
         "trusted_proxies: expected a network with zero bits behind the prefix, which is at most "
         "32, or 128 for IPv6, got \"10.0.0.1/8\""},
        {"instance = \"../x\";", "instance: expected 1 to 64 letters, digits, '.', '_' or '-', not "
                                 "beginning with '.', got \"../x\""},
        {"instance = \"..\";", "instance: expected 1 to 64 letters, digits, '.', '_' or '-', not "
                               "beginning with '.', got \"..\""},
        {"instance = \"a/b\";", "instance: expected 1 to 64 letters, digits, '.', '_' or '-', not "
                                "beginning with '.', got \"a/b\""},
        {"instance = \"\";", "instance: expected 1 to 64 letters, digits, '.', '_' or '-', not "
                             "beginning with '.', got \"\""},
        {"instance = \"" EIGHTY "\";",
         "instance: expected 1 to 64 letters, digits, '.', '_' or '-', not beginning with '.', got "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" and so on (80 "
         "bytes)"},
        {"sites = [\"ok\", \"Not\"];",
         "sites: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a site, or \"*\", "
         "got \"Not\""},
        {"sites = \"a\\x07\\xff\";",
         "sites: expected 1 to 64 of a-z, 0-9, '.', '_' and '-' as the name of a site, or \"*\", "
         "got \"a\\x07\\xff\""},
        {"admin: { socket = \"/run/%\" };",
         "admin.socket: expected a path in which each \"%\" begins \"%i\" or \"%%\", got "
         "\"/run/%\""},
    };

    (void)state;
    check_lines(rows, LENGTH(rows));
}

static void paths_that_are_too_long_with_the_name_in_them(void **state)
{
    static const char name[] = "instance=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const struct wrong_row rows[] = {
        {{.file = "admin: { socket = \"/%i/%i/%i.sock\" };", .sets = {name}},
         "test.conf:1: admin.socket: expected a path of at most 107 bytes, got 128 with "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" for %i\n"},
        {{.environment = {"VISITCOUNTD_HTTP_LISTEN=unix:/%i/%i/%i.sock"}, .sets = {name}},
         "VISITCOUNTD_HTTP_LISTEN: http.listen: expected a path of at most 107 bytes, got 128 with "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" for %i\n"},
    };

    (void)state;
    check_wrong(rows, LENGTH(rows));
}

static void what_libconfig_cannot_read(void **state)
{
    static const struct wrong_row rows[] = {
        {{.file = "\n\nredis: { port 5 };\n"}, "test.conf:3: syntax error\n"},
        {{.file = "redis: {\n"}, "test.conf:2: syntax error\n"},
        {{.file = "http.listen = \"a:1\";"}, "test.conf:1: syntax error\n"},
        {{.file = "sites = \"a\";\nsites = \"b\";\n"}, "test.conf:2: duplicate setting name\n"},
        {{.file = "sites = [\"a\", 5];"}, "test.conf:1: mismatched element type in array\n"},
        {{.file = "sites = \"a\n\";\n/* b"},
         "test.conf:1: this string has no end: '\"' is missing\n"
         "test.conf:2: this string has no end: '\"' is missing\n"
         "test.conf:3: this comment has no end: \"*/\" is missing\n"},
        {{.file = "sites = \"a\\x00b\";"}, "test.conf:1: a string cannot contain \\x00\n"},
    };

    (void)state;
    check_wrong(rows, LENGTH(rows));
}

static void files_that_cannot_be_read(void **state)
{
    static const struct {
        const char *file;
        const char *errors;
    } rows[] = {
        {"absent.conf", "absent.conf: No such file or directory\n"},
        {"/", "/: Is a directory\n"},
        {"/dev/zero", "/dev/zero: File too large\n"},
        {"test.conf/x", "test.conf/x: Not a directory\n"},
    };

    (void)state;
    write_text("test.conf", "");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct config_request request = {.file = rows[i].file};
        struct buf errors = BUF_EMPTY;

        assert_null(config_load(&request, &errors));
        assert_string_equal(errors.bytes, rows[i].errors);
        buf_finish(&errors);
    }
}

static void wrong_variables(void **state)
{
    static const struct wrong_row rows[] = {
        {{.environment = {"VISITCOUNTD_REDIS_HSOT=h"}},
         "VISITCOUNTD_REDIS_HSOT: unknown option; did you mean VISITCOUNTD_REDIS_HOST?\n"},
        {{.environment = {"VISITCOUNTD_TEST_X=1"}}, "VISITCOUNTD_TEST_X: unknown option\n"},
        {{.environment = {"VISITCOUNTD_=1"}}, "VISITCOUNTD_: unknown option\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PASWORD="}},
         "VISITCOUNTD_REDIS_PASWORD: unknown option; did you mean VISITCOUNTD_REDIS_PASSWORD?\n"},
        {{.environment = {"VISITCOUNTD_REDIS_HOST_FILE=h"}},
         "VISITCOUNTD_REDIS_HOST_FILE: unknown option\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PORT=abc", "REDIS_DB=x"}},
         "REDIS_DB: redis.db: expected a whole number from 0 to 1000000, got \"x\"\n"
         "VISITCOUNTD_REDIS_PORT: redis.port: expected a whole number from 1 to 65535, got "
         "\"abc\"\n"},
        {{.environment = {"REDIS_PORT=tcp://10.0.0.1"}},
         "REDIS_PORT: redis.port: expected a whole number from 1 to 65535, got "
         "\"tcp://10.0.0.1\"\n"},
        {{.environment = {"REDIS_PORT=tcp://10.0.0.1:0"}},
         "REDIS_PORT: redis.port: expected a whole number from 1 to 65535, got \"0\"\n"},
    };

    (void)state;
    check_wrong(rows, LENGTH(rows));
}

static void wrong_words_on_the_command_line(void **state)
{
    static const struct wrong_row rows[] = {
        {{.sets = {"redis.host=h", "redis.password hunter2"}},
         "--set: number 2 is not of the form PATH=VALUE\n"},
        {{.sets = {"redis.prot=1"}},
         "--set: redis.prot: unknown option; did you mean redis.port?\n"},
        {{.sets = {"=1"}}, "--set: : unknown option\n"},
        {{.sets = {"a\nb=1"}}, "--set: a?b: unknown option\n"},
        {{.sets = {"redis.port=0", "redis.port=1"}},
         "--set: redis.port: expected a whole number from 1 to 65535, got \"0\"\n"},
    };

    (void)state;
    check_wrong(rows, LENGTH(rows));
}

static void two_answers_of_one_layer(void **state)
{
    static const struct wrong_row rows[] = {
        {{.file = "redis: {\n  host = \"h\";\n  socket = \"/s\";\n};"},
         "test.conf:3: redis.socket: redis.host is given as well (test.conf:2); keep one of "
         "them\n"},
        {{.environment = {"VISITCOUNTD_REDIS_HOST=h", "VISITCOUNTD_REDIS_SOCKET=/s"}},
         "VISITCOUNTD_REDIS_SOCKET: redis.socket: redis.host is given as well "
         "(VISITCOUNTD_REDIS_HOST); keep one of them\n"},
        {{.environment = {"REDIS_HOST=h", "REDIS_URL=unix:///s"}},
         "REDIS_HOST: redis.host: redis.socket is given as well (REDIS_URL); keep one of them\n"},
        {{.environment = {"REDIS_HOST=a", "REDIS_URL=redis://b"}},
         "REDIS_HOST: redis.host: REDIS_URL gives another value; keep one of them\n"},
        {{.sets = {"redis.host=h", "redis.socket=/s"}},
         "--set: redis.socket: redis.host is given as well (--set); keep one of them\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PASSWORD=hunter2",
                          "VISITCOUNTD_REDIS_PASSWORD_FILE=absent"}},
         "VISITCOUNTD_REDIS_PASSWORD_FILE: redis.password_file: redis.password is given as well "
         "(VISITCOUNTD_REDIS_PASSWORD); keep one of them\n"},
        {{.environment = {"REDIS_PASSWORD=hunter2", "REDIS_PASSWORD_FILE=secret"}},
         "REDIS_PASSWORD_FILE: redis.password_file: redis.password is given as well "
         "(REDIS_PASSWORD); keep one of them\n"},
        {{.file = "redis: { password_file = \"secret\";\n  password = \"hunter2\"; };"},
         "test.conf:2: redis.password: redis.password_file is given as well (secret "
         "(test.conf:1)); keep one of them\n"},
    };

    (void)state;
    write_text("secret", "hunter2\n");
    check_wrong(rows, LENGTH(rows));
}

static void no_error_says_a_secret(void **state)
{
    static const struct wrong_row rows[] = {
        {{.file = "redis: { password = 12345 };"},
         "test.conf:1: redis.password: expected text of at most 1024 bytes in quotes\n"},
        {{.file = "redis: { password = [\"hunter2\"] };"},
         "test.conf:1: redis.password: expected text of at most 1024 bytes, got a list\n"},
        {{.file = "redis: { password = hunter2 };"}, "test.conf:1: syntax error\n"},
        {{.environment = {"REDIS_URL=redis://:hunter2/x@h"}},
         "REDIS_URL: the host or the port is not understood; expected "
         "redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], the same with rediss:// for TLS, or "
         "unix:///PATH\n"},
        {{.environment = {"REDIS_URL=redis://h/hunter2"}},
         "REDIS_URL: redis.db: expected a whole number from 0 to 1000000\n"},
        {{.file = "redis: { password_file = 5 };"},
         "test.conf:1: redis.password_file: expected the path of a file in quotes\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PASSWORD_FILE=long"}},
         "VISITCOUNTD_REDIS_PASSWORD_FILE: redis.password_file: long: File too large\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PASSWORD_FILE=medium"}},
         "medium (VISITCOUNTD_REDIS_PASSWORD_FILE): redis.password: expected text of at most 1024 "
         "bytes\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PASSWORD_FILE=nul"}},
         "VISITCOUNTD_REDIS_PASSWORD_FILE: redis.password_file: nul: there is a NUL byte in the "
         "file\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PASSWORD_FILE=empty"}},
         "VISITCOUNTD_REDIS_PASSWORD_FILE: redis.password_file: empty: the file is empty\n"},
        {{.environment = {"VISITCOUNTD_REDIS_PASSWORD_FILE=absent"}},
         "VISITCOUNTD_REDIS_PASSWORD_FILE: redis.password_file: absent: No such file or "
         "directory\n"},
        {{.environment = {"CREDENTIALS_DIRECTORY=credentials"}},
         "credential redis.password: redis.password_file: credentials/redis.password: the file is "
         "empty\n"},
    };
    char bytes[5000];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    write_file("long", bytes, sizeof(bytes));
    write_file("medium", bytes, 1025);
    write_file("nul", "hunter2\0x", 9);
    write_text("empty", "\n");
    assert_int_equal(mkdir("credentials", 0700), 0);
    write_text("credentials/redis.password", "");
    check_wrong(rows, LENGTH(rows));
}

static void errors_of_all_layers_come_together(void **state)
{
    static const struct wrong_row rows[] = {
        {{.file = "redis: {\n  port = 0;\n  db = -1;\n};\nbogus = 1;\n",
          .environment = {"REDIS_PORT=x", "VISITCOUNTD_REDIS_TLS=perhaps", "VISITCOUNTD_QQ=1"},
          .sets = {"redis.db=y", "qq=1"}},
         "test.conf:2: redis.port: expected a whole number from 1 to 65535, got 0\n"
         "test.conf:3: redis.db: expected a whole number from 0 to 1000000, got -1\n"
         "test.conf:5: bogus: unknown option\n"
         "REDIS_PORT: redis.port: expected a whole number from 1 to 65535, got \"x\"\n"
         "VISITCOUNTD_REDIS_TLS: redis.tls: expected true or false, got \"perhaps\"\n"
         "VISITCOUNTD_QQ: unknown option\n"
         "--set: redis.db: expected a whole number from 0 to 1000000, got \"y\"\n"
         "--set: qq: unknown option\n"},
        {{.file = "syntax", .sets = {"qq=1"}},
         "test.conf:1: syntax error\n--set: qq: unknown option\n"},
    };

    (void)state;
    check_wrong(rows, LENGTH(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(unknown_names_in_the_file),
        config_test(wrong_types_in_the_file),
        config_test(values_out_of_range),
        config_test(numbers_beyond_32_bits_are_not_cut),
        config_test(bad_addresses_and_names),
        config_test(paths_that_are_too_long_with_the_name_in_them),
        config_test(what_libconfig_cannot_read),
        config_test(files_that_cannot_be_read),
        config_test(wrong_variables),
        config_test(wrong_words_on_the_command_line),
        config_test(two_answers_of_one_layer),
        config_test(no_error_says_a_secret),
        config_test(errors_of_all_layers_come_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
