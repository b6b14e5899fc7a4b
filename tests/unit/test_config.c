/* SPDX-License-Identifier: MIT */
#include "config_fixture.h"

#include "config/option.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void defaults(void **state)
{
    struct config *config = load_right(&(struct given){.file = NULL});

    (void)state;
    assert_string_equal(config->instance, "default");
    assert_int_equal(config->http_listen.count, 1);
    assert_string_equal(config->http_listen.items[0].host, "127.0.0.1");
    assert_int_equal(config->http_listen.items[0].port, 8080);
    assert_int_equal(config->metrics_listen.count, 0);
    assert_int_equal(config->http_idle_timeout_ms, 10000);
    assert_int_equal(config->redis_port, 6379);
    assert_string_equal(config->redis_host, "");
    assert_false(config->redis_tls);
    assert_int_equal(config->store_backend, STORE_BACKEND_AUTO);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->sites.count, 1);
    assert_string_equal(config->sites.items[0].name, "default");
    assert_int_equal(config->trusted_proxies.count, 2);
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        assert_string_equal(config->sources[i], "default");
    }
    config_unload(config);
}

static void each_type_in_the_file(void **state)
{
    struct config *config = load_right(&(struct given){
        .file = "/* all of them */\n"
                "instance = \"one\";\n"
                "http: { listen = [\"0.0.0.0:80\", \"unix:/run/x\"]; idle_timeout = \"1m\" };\n"
                "metrics = { listen = \"[::1]:9100, 127.0.0.1:9100\" };\n"
                "store: { backend = \"sqlite\" };\n"
                "redis: { port = 7000; tls = true; password = \"a\\\"b\"; };\n"
                "count: { max_wait = 0; max_waiting = 5L };\n"
                "sites = (\"a\", \"*\");\n"
                "trusted_proxies = [];\n"
                "// nothing else\n"});

    (void)state;
    assert_string_equal(config->instance, "one");
    assert_string_equal(config->sources[CONFIG_instance], "test.conf:2");
    assert_int_equal(config->http_listen.count, 2);
    assert_true(config->http_listen.items[1].is_unix);
    assert_int_equal(config->http_idle_timeout_ms, 60000);
    assert_int_equal(config->metrics_listen.count, 2);
    assert_string_equal(config->metrics_listen.items[0].host, "::1");
    assert_string_equal(config->metrics_listen.items[1].host, "127.0.0.1");
    assert_int_equal(config->store_backend, STORE_BACKEND_SQLITE);
    assert_int_equal(config->redis_port, 7000);
    assert_true(config->redis_tls);
    assert_string_equal(config->redis_password, "a\"b");
    assert_int_equal(config->count_max_wait_ms, 0);
    assert_int_equal(config->count_max_waiting, 5);
    assert_int_equal(config->sites.count, 2);
    assert_int_equal(config->trusted_proxies.count, 0);
    assert_string_equal(config->sources[CONFIG_trusted_proxies], "test.conf:9");
    config_unload(config);
}

static void each_type_in_the_environment(void **state)
{
    struct config *config = load_right(&(struct given){
        .environment = {"VISITCOUNTD_HTTP_LISTEN=127.0.0.1:1,unix:/run/%%/%i",
                        "VISITCOUNTD_REDIS_TLS=1", "VISITCOUNTD_LOG_LEVEL=debug",
                        "VISITCOUNTD_DRAIN_TIMEOUT=250ms", "VISITCOUNTD_LIMITS_SITES=7",
                        "VISITCOUNTD_TRUSTED_PROXIES= 10.0.0.0/8 ,\t::1"},
        .sets = {"instance=web"}});

    (void)state;
    assert_string_equal(config->http_listen.items[1].path, "/run/%/web");
    assert_true(config->redis_tls);
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->drain_timeout_ms, 250);
    assert_int_equal(config->limits_sites, 7);
    assert_int_equal(config->trusted_proxies.count, 2);
    config_unload(config);
}

/** Loads and compares value and source of redis.host. */
static void check_host(const struct given *given, const char *host, const char *source)
{
    struct config *config = load_right(given);

    assert_string_equal(config->redis_host, host);
    assert_string_equal(config->sources[CONFIG_redis_host], source);
    config_unload(config);
}

static void stronger_layers_win(void **state)
{
    struct given given = {.file = "redis: { host = \"file\" };"};

    (void)state;
    check_host(&given, "file", "test.conf:1");
    given.environment[0] = "REDIS_URL=redis://url";
    check_host(&given, "url", "REDIS_URL");
    given.environment[0] = "REDIS_HOST=traditional";
    check_host(&given, "traditional", "REDIS_HOST");
    given.environment[1] = "VISITCOUNTD_REDIS_HOST=own";
    check_host(&given, "own", "VISITCOUNTD_REDIS_HOST");
    given.sets[0] = "redis.host=first";
    given.sets[1] = "redis.host=last";
    check_host(&given, "last", "--set");
    given.sets[1] = "redis.host=";
    check_host(&given, "", "--set");
}

static void an_empty_variable_counts_as_absent(void **state)
{
    (void)state;
    check_host(&(struct given){.file = "redis: { host = \"file\" };",
                               .environment = {"REDIS_HOST=", "VISITCOUNTD_REDIS_HOST=",
                                               "REDIS_URL=", "VISITCOUNTD_REDIS_PASSWORD_FILE=",
                                               "CREDENTIALS_DIRECTORY="}},
               "file", "test.conf:1");
}

static void of_a_variable_given_twice_the_first_counts_as_in_getenv(void **state)
{
    (void)state;
    check_host(&(struct given){.environment = {"REDIS_HOST=a", "REDIS_HOST=b"}}, "a", "REDIS_HOST");
}

/** Loads and compares the value of redis.port. */
static void check_port(const struct given *given, uint64_t port, const char *source)
{
    struct config *config = load_right(given);

    assert_int_equal(config->redis_port, port);
    assert_string_equal(config->sources[CONFIG_redis_port], source);
    config_unload(config);
}

static void of_a_service_of_kubernetes_the_port_is_taken_where_none_is_given(void **state)
{
    struct given given = {.environment = {"REDIS_PORT=tcp://10.0.0.1:6380"}};
    struct config *config = load_right(&given);

    (void)state;
    assert_int_equal(config->redis_port, 6380);
    assert_string_equal(config->redis_host, "");
    assert_int_equal(config_store_backend(config), STORE_BACKEND_SQLITE);
    config_unload(config);

    given.environment[0] = "VISITCOUNTD_REDIS_PORT=tcp://[fd00::1]:6381";
    check_port(&given, 6381, "VISITCOUNTD_REDIS_PORT");
    given.environment[1] = "REDIS_URL=redis://h";
    check_port(&given, 6379, "REDIS_URL");
    given.environment[1] = "REDIS_HOST=h";
    given.file = "redis: { port = 7000 };";
    check_port(&given, 7000, "test.conf:1");
}

static void variables_of_a_service_named_visitcountd_are_no_options(void **state)
{
    (void)state;
    check_host(&(struct given){.environment = {"VISITCOUNTD_SERVICE_HOST=10.0.0.1",
                                               "VISITCOUNTD_SERVICE_PORT_HTTP=80",
                                               "VISITCOUNTD_PORT=tcp://10.0.0.1:80",
                                               "VISITCOUNTD_PORT_80_TCP=tcp://10.0.0.1:80",
                                               "VISITCOUNTD_REDIS_PORT_6379_TCP_ADDR=10.0.0.1",
                                               "VISITCOUNTD_REDIS_SERVICE_HOST=10.0.0.1"}},
               "", "default");
}

static void a_socket_replaces_the_host_of_a_weaker_layer(void **state)
{
    struct config *config =
        load_right(&(struct given){.file = "redis: { host = \"h\" };",
                                   .environment = {"VISITCOUNTD_REDIS_SOCKET=/run/redis.sock"}});
    struct address address;

    (void)state;
    assert_string_equal(config->redis_host, "");
    assert_string_equal(config->sources[CONFIG_redis_host], "default");
    config_redis_address(config, &address);
    assert_true(address.is_unix);
    assert_string_equal(address.path, "/run/redis.sock");
    config_unload(config);
    check_host(&(struct given){.file = "redis: { socket = \"/s\" };", .sets = {"redis.host=h"}},
               "h", "--set");
    check_host(&(struct given){.file = "redis: { host = \"h\" };", .sets = {"redis.socket="}}, "h",
               "test.conf:1");
}

static void the_address_of_redis(void **state)
{
    static const struct {
        struct given given;
        const char *text;
        enum store_backend backend;
    } rows[] = {
        {{.file = NULL}, "127.0.0.1:6379", STORE_BACKEND_SQLITE},
        {{.sets = {"store.backend=redis"}}, "127.0.0.1:6379", STORE_BACKEND_REDIS},
        {{.sets = {"redis.host=::1", "redis.port=1"}}, "[::1]:1", STORE_BACKEND_REDIS},
        {{.sets = {"redis.host=h", "store.backend=sqlite"}}, "h:6379", STORE_BACKEND_SQLITE},
        {{.sets = {"redis.socket=/s"}}, "unix:/s", STORE_BACKEND_REDIS},
        {{.environment = {"REDIS_URL=redis://h:7"}}, "h:7", STORE_BACKEND_REDIS},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct config *config = load_right(&rows[i].given);
        char text[ADDRESS_TEXT_MAX];
        struct address address;

        config_redis_address(config, &address);
        assert_string_equal(address_format(&address, text), rows[i].text);
        assert_int_equal(config_store_backend(config), rows[i].backend);
        config_unload(config);
    }
}

/** Loads and compares the password and its source. */
static void check_password(const struct given *given, const char *password, const char *source)
{
    struct config *config = load_right(given);

    assert_string_equal(config->redis_password, password);
    assert_string_equal(config->sources[CONFIG_redis_password], source);
    config_unload(config);
}

static void a_secret_from_a_file(void **state)
{
    struct given given = {.environment = {"VISITCOUNTD_REDIS_PASSWORD_FILE=secret"}};

    (void)state;
    write_text("secret", "hunter2\n");
    check_password(&given, "hunter2", "secret (VISITCOUNTD_REDIS_PASSWORD_FILE)");
    write_text("secret", "hunter2\r\n");
    check_password(&given, "hunter2", "secret (VISITCOUNTD_REDIS_PASSWORD_FILE)");
    write_text("secret", " two lines\nand more \n\n");
    check_password(&given, " two lines\nand more \n", "secret (VISITCOUNTD_REDIS_PASSWORD_FILE)");
    given.environment[0] = "REDIS_PASSWORD_FILE=secret";
    write_text("secret", "x");
    check_password(&given, "x", "secret (REDIS_PASSWORD_FILE)");
    given.environment[0] = NULL;
    given.sets[0] = "redis.password_file=secret";
    check_password(&given, "x", "secret (--set)");
}

static void the_file_of_a_secret_is_beside_the_config_that_names_it(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    write_text("sub/secret", "hunter2\n");
    write_text("sub/redis.conf", "redis: { password = \"\"; password_file = \"secret\" };\n");
    check_password(&(struct given){.file = "@include \"sub/redis.conf\"\n"}, "hunter2",
                   "sub/secret (sub/redis.conf:1)");
}

/* a reload of a running daemon with the config `current` */
static struct config *load_again(const struct config *current, char **environment,
                                 struct buf *warnings, struct buf *errors)
{
    struct config_request request = {.file = "test.conf", .environment = environment};

    return config_load_again(&request, current, warnings, errors);
}

static void a_secret_whose_file_is_gone_is_kept_on_reload(void **state)
{
    static char *by_file[] = {"VISITCOUNTD_REDIS_PASSWORD_FILE=secret", NULL};
    static char *by_credential[] = {"CREDENTIALS_DIRECTORY=credentials", NULL};
    static char *by_other[] = {"VISITCOUNTD_REDIS_PASSWORD_FILE=other", NULL};
    static const char *const files[] = {"secret", "credentials/redis.password"};

    (void)state;
    assert_int_equal(mkdir("credentials", 0700), 0);
    for (int i = 0; i < 2; i++) {
        char **environment = i == 0 ? by_file : by_credential;
        struct buf errors = BUF_EMPTY;
        struct buf warnings = BUF_EMPTY;
        struct config *current;
        struct config *next;

        write_text(files[i], "hunter2\n");
        current = load_right(&(struct given){.environment = {environment[0]}});
        assert_string_equal(current->secret_files[CONFIG_redis_password], files[i]);
        write_text(files[i], "hunter3\n");
        next = load_again(current, environment, &warnings, &errors);
        assert_string_equal(next->redis_password, "hunter3");
        assert_true(config_check_reload(current, next, &errors));
        assert_int_equal(warnings.length, 0);
        assert_int_equal(errors.length, 0);
        config_unload(current);
        current = next;
        unlink(files[i]);
        next = load_again(current, environment, &warnings, &errors);
        assert_non_null(next);
        assert_string_equal(next->redis_password, "hunter3");
        assert_string_equal(next->secret_files[CONFIG_redis_password], files[i]);
        assert_non_null(strstr(warnings.bytes, files[i]));
        assert_non_null(strstr(warnings.bytes, "No such file or directory; the secret that was "
                                               "read before is kept\n"));
        /* a missing file that was never read is an error */
        assert_null(load_again(current, by_other, &warnings, &errors));
        assert_non_null(strstr(errors.bytes, "other: No such file"));
        config_unload(current);
        config_unload(next);
        buf_finish(&warnings);
        buf_finish(&errors);
    }
}

static void a_credential_is_between_environment_and_file(void **state)
{
    struct given given = {.file = "redis: { password = \"file\" };",
                          .environment = {"CREDENTIALS_DIRECTORY=credentials"}};

    (void)state;
    assert_int_equal(mkdir("credentials", 0700), 0);
    check_password(&given, "file", "test.conf:1");
    write_text("credentials/redis.password", "credential\n");
    write_text("credentials/redis.host", "not a secret");
    check_password(&given, "credential", "credential redis.password");
    given.environment[1] = "REDIS_PASSWORD=environment";
    check_password(&given, "environment", "REDIS_PASSWORD");
}

static void an_own_name_is_stronger_than_a_traditional_one(void **state)
{
    struct given given = {
        .environment = {"REDIS_PASSWORD=traditional", "VISITCOUNTD_REDIS_PASSWORD_FILE=secret"}};

    (void)state;
    write_text("secret", "own\n");
    check_password(&given, "own", "secret (VISITCOUNTD_REDIS_PASSWORD_FILE)");
}

static void paths_with_the_name_of_the_instance(void **state)
{
    struct config *config = load_right(&(struct given){.sets = {"instance=web-1"}});
    char *path = config_expand(config, config->admin_socket);

    (void)state;
    assert_string_equal(path, "/run/visitcountd/web-1/admin.sock");
    free(path);
    path = config_expand(config, "%i%%i%%%i");
    assert_string_equal(path, "web-1%i%web-1");
    free(path);
    path = config_expand(config, "");
    assert_string_equal(path, "");
    free(path);
    config_unload(config);
}

static void a_reload_takes_some_changes_and_refuses_others_by_name(void **state)
{
    struct config *current = load_right(&(struct given){.sets = {"redis.password=old"}});
    struct config *same =
        load_right(&(struct given){.sets = {"redis.password=old", "log.level=debug", "sites=a,b"}});
    struct config *other = load_right(
        &(struct given){.file = "http: { listen = \"127.0.0.1:1\" };",
                        .sets = {"redis.password=hunter2", "redis.db=1", "log.level=debug"}});
    struct buf errors = BUF_EMPTY;

    (void)state;
    assert_true(config_check_reload(current, same, &errors));
    assert_int_equal(errors.length, 0);
    assert_false(config_check_reload(current, other, &errors));
    assert_string_equal(
        errors.bytes,
        "test.conf:1: http.listen: a change from [\"127.0.0.1:8080\"] to [\"127.0.0.1:1\"] needs a "
        "restart\n"
        "--set: redis.db: a change from 0 to 1 needs a restart\n");
    buf_finish(&errors);
    config_unload(current);
    config_unload(same);
    config_unload(other);
    config_unload(NULL);
}

static void printed_values_have_sources_and_no_secrets(void **state)
{
    struct config *config =
        load_right(&(struct given){.file = "redis: {\n  password = \"hunter2\";\n};",
                                   .environment = {"REDIS_USERNAME=a\"\n\xff"},
                                   .sets = {"sites=a,b"}});
    struct buf out = BUF_EMPTY;

    (void)state;
    config_print_text(config, &out);
    assert_non_null(strstr(out.bytes, "instance = \"default\"   # default\n"));
    assert_non_null(strstr(out.bytes, "\nredis.password = \"********\"   # test.conf:2\n"));
    assert_non_null(strstr(out.bytes, "\nredis.username = \"a\\\"\\n\\xff\"   # REDIS_USERNAME\n"));
    assert_non_null(strstr(out.bytes, "\nsites = [\"a\", \"b\"]   # --set\n"));
    assert_null(strstr(out.bytes, "hunter2"));
    buf_clear(&out);

    config_print_json(config, &out);
    assert_non_null(strstr(out.bytes, "[{\"path\":\"instance\",\"value\":\"default\",\"source\":"
                                      "\"default\",\"default\":\"default\",\"reload\":false}"));
    assert_non_null(strstr(out.bytes, ",{\"path\":\"redis.password\",\"value\":\"********\","
                                      "\"source\":\"test.conf:2\",\"default\":\"\","));
    assert_non_null(strstr(out.bytes, "\"value\":\"a\\\"\\n\\ufffd\""));
    assert_non_null(strstr(out.bytes, "{\"path\":\"sites\",\"value\":\"a,b\",\"source\":\"--set\","
                                      "\"default\":\"default\",\"reload\":true}"));
    assert_null(strstr(out.bytes, "hunter2"));
    buf_finish(&out);
    config_unload(config);
}

/** Removes the "#" from the lines of options in the reference file. */
static char *uncomment(const char *text)
{
    struct buf out = BUF_EMPTY;

    while (*text != '\0') {
        size_t blanks = strspn(text, " ");
        size_t line = strcspn(text, "\n") + 1;
        bool is_option = text[blanks] == '#' && text[blanks + 1] >= 'a' && text[blanks + 1] <= 'z';

        buf_append(&out, text, is_option ? blanks : line);
        if (is_option) {
            buf_append(&out, text + blanks + 1, line - blanks - 1);
        }
        text += line;
    }
    return buf_steal(&out);
}

static void the_reference_file_says_the_defaults_with_and_without_its_marks(void **state)
{
    struct config *plain = load_right(&(struct given){.file = NULL});
    struct buf reference = BUF_EMPTY;
    struct config *config;
    char *bare;

    (void)state;
    assert_int_equal(config_print_reference("conf", &reference), 0);
    config = load_right(&(struct given){.file = reference.bytes});
    assert_string_equal(config->sources[CONFIG_redis_host], "default");
    config_unload(config);

    bare = uncomment(reference.bytes);
    config = load_right(&(struct given){.file = bare});
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        assert_true(option_equals(row, option_field(row, plain), option_field(row, config)));
        if ((row->flags & SECRET) == 0) {
            assert_string_not_equal(config->sources[i], "default");
        }
    }
    config_unload(config);
    config_unload(plain);
    free(bare);
    buf_finish(&reference);
}

static void all_references_have_all_options(void **state)
{
    static const char *const forms[] = {"conf", "markdown", "man", "help"};

    (void)state;
    for (size_t i = 0; i < LENGTH(forms); i++) {
        struct buf out = BUF_EMPTY;

        if (strcmp(forms[i], "help") == 0) {
            config_print_help(&out);
        } else {
            assert_int_equal(config_print_reference(forms[i], &out), 0);
        }
        for (size_t k = 0; k < CONFIG_OPTION_COUNT; k++) {
            char name[OPTION_NAME_MAX];

            assert_non_null(
                strstr(out.bytes, option_environment_name(&option_rows[k], false, name)));
        }
        assert_null(strstr(out.bytes, "default \n"));
        buf_finish(&out);
    }
}

static void an_unknown_form_of_the_reference_is_refused(void **state)
{
    struct buf out = BUF_EMPTY;

    (void)state;
    assert_int_equal(config_print_reference("html", &out), -EINVAL);
    assert_int_equal(out.length, 0);
}

static void rows_fit_the_names_made_of_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const char *path = option_rows[i].path;
        char name[OPTION_NAME_MAX];
        bool is_file;

        assert_ptr_equal(strchr(path, '.'), strrchr(path, '.'));
        assert_true(strlen(path) + sizeof("VISITCOUNTD__FILE") <= OPTION_NAME_MAX);
        assert_int_equal(option_find(path, &is_file), i);
        assert_false(is_file);
        assert_true(option_rows[i].min <= option_rows[i].max);
        assert_true((option_rows[i].flags & RELOAD) == 0 || (option_rows[i].flags & RESTART) == 0);
        assert_int_not_equal(option_rows[i].flags & (RELOAD | RESTART), 0);
        assert_string_equal(option_path(&option_rows[i], false, name), path);
    }
}

/* The default file is read in a process with an /etc of its own. */

static int load_default_file(void)
{
    struct config_request request = {.file = NULL};
    struct buf errors = BUF_EMPTY;
    struct config *config;
    int right = 0;

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") < 0 ||
        mount("none", "/etc", "tmpfs", 0, "") < 0) {
        return 77;
    }
    config = config_load(&request, &errors);
    right += config != NULL && errors.length == 0;
    config_unload(config);

    mkdir("/etc/visitcountd", 0755);
    write_text(CONFIG_DEFAULT_FILE, "redis: { host = \"h\" };\n");
    config = config_load(&request, &errors);
    right += config != NULL && strcmp(config->redis_host, "h") == 0 &&
             strcmp(config->sources[CONFIG_redis_host], CONFIG_DEFAULT_FILE ":1") == 0;
    config_unload(config);

    unlink(CONFIG_DEFAULT_FILE);
    mkdir(CONFIG_DEFAULT_FILE, 0755);
    config = config_load(&request, &errors);
    right += config == NULL && strcmp(errors.bytes, CONFIG_DEFAULT_FILE ": Is a directory\n") == 0;
    config_unload(config);
    buf_finish(&errors);
    return right == 3 ? 0 : 1;
}

static void the_default_file_may_be_absent_but_not_unreadable(void **state)
{
    pid_t child = fork();
    int status = 0;

    (void)state;
    if (child == 0) {
        _exit(load_default_file());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip(); /* no right to mount */
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test(defaults),
        config_test(each_type_in_the_file),
        config_test(each_type_in_the_environment),
        config_test(stronger_layers_win),
        config_test(an_empty_variable_counts_as_absent),
        config_test(of_a_variable_given_twice_the_first_counts_as_in_getenv),
        config_test(of_a_service_of_kubernetes_the_port_is_taken_where_none_is_given),
        config_test(variables_of_a_service_named_visitcountd_are_no_options),
        config_test(a_socket_replaces_the_host_of_a_weaker_layer),
        config_test(the_address_of_redis),
        config_test(a_secret_from_a_file),
        config_test(the_file_of_a_secret_is_beside_the_config_that_names_it),
        config_test(a_secret_whose_file_is_gone_is_kept_on_reload),
        config_test(a_credential_is_between_environment_and_file),
        config_test(an_own_name_is_stronger_than_a_traditional_one),
        config_test(paths_with_the_name_of_the_instance),
        config_test(a_reload_takes_some_changes_and_refuses_others_by_name),
        config_test(printed_values_have_sources_and_no_secrets),
        config_test(the_reference_file_says_the_defaults_with_and_without_its_marks),
        config_test(all_references_have_all_options),
        config_test(an_unknown_form_of_the_reference_is_refused),
        config_test(rows_fit_the_names_made_of_them),
        config_test(the_default_file_may_be_absent_but_not_unreadable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
