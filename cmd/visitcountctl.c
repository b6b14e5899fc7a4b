/* SPDX-License-Identifier: MIT */
/*
 * visitcountctl: sends a command over the admin socket and prints the answer. http/commands.def is
 * the table of commands; the daemon makes the answers.
 */
#include "ctl_backup.h"
#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_fleet.h"
#include "ctl_import.h"
#include "ctl_journal.h"
#include "ctl_pages.h"
#include "ctl_perform.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/units.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS 5000
#define TIMEOUT_MAX_MS     3600000

/* how often to ask whether a replay is done */
#define REPLAY_INTERVAL_US 100000

/** The parsed command line. */
struct invocation {
    const char *socket;
    const char *instance;
    bool wants_json;
    bool watches;
    bool is_forced;
    const char *trust;
    bool wants_help;
    bool wants_version;
    const char *reference;
    uint64_t timeout_ms;
    const struct ctl_command *command; /* NULL if none is given */
    char **arguments;
    size_t argument_count;
};

/* Output */

/** Writes each line of `text` to standard error, after the program's name. Returns `status`. */
static int fail_with(int status, const struct buf *text)
{
    const char *at = text->length != 0 ? text->bytes : "";

    while (*at != '\0') {
        int length = (int)strcspn(at, "\n");

        fprintf(stderr, "visitcountctl: %.*s\n", length, at);
        at += length + (at[length] == '\n');
    }
    return status;
}

static int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(int status, const char *format, ...)
{
    struct buf text = BUF_EMPTY;
    va_list arguments;

    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    fail_with(status, &text);
    buf_finish(&text);
    return status;
}

/** Writes `text` to standard output. An incomplete write is an error. */
static int print(const struct buf *text)
{
    if ((text->length != 0 && fwrite(text->bytes, text->length, 1, stdout) != 1) ||
        fflush(stdout) != 0) {
        return fail(CTL_OUTPUT, "cannot write the answer: %s", strerror(errno));
    }
    return CTL_DONE;
}

/** Writes the output and errors of a command, and frees them. Returns the exit status. */
static int print_result(int result, struct buf *out, struct buf *error)
{
    int printed = print(out);

    fail_with(result, error);
    buf_finish(out);
    buf_finish(error);
    return result != CTL_DONE ? result : printed;
}

/* Command line */

static bool take_option(struct invocation *invocation, int value)
{
    switch (value) {
    case 's':
        invocation->socket = optarg;
        break;
    case 'i':
        invocation->instance = optarg;
        break;
    case 'j':
        invocation->wants_json = true;
        break;
    case 't':
        return parse_duration(optarg, &invocation->timeout_ms) == 0 && invocation->timeout_ms > 0 &&
               invocation->timeout_ms <= TIMEOUT_MAX_MS;
    case 'w':
        invocation->watches = true;
        break;
    case 'f':
        invocation->is_forced = true;
        break;
    case 'r':
        invocation->trust = optarg;
        break;
    case 'h':
        invocation->wants_help = true;
        break;
    case 'V':
        invocation->wants_version = true;
        break;
    case 'p':
        invocation->reference = optarg;
        break;
    }
    return true;
}

static int parse_options(int argc, char **argv, struct invocation *invocation)
{
    struct option options[16] = {0};
    int value;

    assert(ctl_option_count < sizeof(options) / sizeof(options[0]));
    for (size_t i = 0; i < ctl_option_count; i++) {
        bool has_argument = ctl_options[i].argument != NULL;

        options[i] =
            (struct option){ctl_options[i].name, has_argument ? required_argument : no_argument,
                            NULL, ctl_options[i].value};
    }
    while ((value = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (value == '?') {
            return CTL_USAGE;
        }
        if (!take_option(invocation, value)) {
            return fail(CTL_USAGE,
                        "--timeout: expected a duration such as \"500ms\" or \"5s\", up "
                        "to 1h, not \"%s\"",
                        optarg);
        }
    }
    if (invocation->socket != NULL && invocation->instance != NULL) {
        return fail(CTL_USAGE, "--socket and --instance exclude each other");
    }
    return CTL_DONE;
}

static int unknown_command(const char *name)
{
    const char *nearest = ctl_command_suggest(name);

    if (nearest != NULL) {
        return fail(CTL_USAGE, "unknown command \"%s\"; did you mean %s?", name, nearest);
    }
    return fail(CTL_USAGE, "unknown command \"%s\"; visitcountctl help lists them", name);
}

/** Parses the command and checks the number of its arguments. Returns the exit status. */
static int parse_command(int argc, char **argv, struct invocation *invocation)
{
    const struct ctl_command *command;

    if (argc == 0) {
        return CTL_DONE;
    }
    command = ctl_command_find(argv[0]);
    if (command == NULL) {
        return unknown_command(argv[0]);
    }
    invocation->command = command;
    invocation->arguments = argv + 1;
    invocation->argument_count = (size_t)argc - 1;
    if (invocation->is_forced && !ctl_command_takes_force(command)) {
        return fail(CTL_USAGE, "--force is not for %s", command->name);
    }
    if (invocation->trust != NULL && strcmp(command->name, "repair") != 0) {
        return fail(CTL_USAGE, "--trust is not for %s", command->name);
    }
    if (!invocation->wants_help && (invocation->argument_count < command->required ||
                                    invocation->argument_count > ctl_command_maximum(command))) {
        struct buf usage = BUF_EMPTY;

        ctl_put_usage(&usage, command);
        fail_with(CTL_USAGE, &usage);
        buf_finish(&usage);
        return CTL_USAGE;
    }
    return CTL_DONE;
}

/* Commands without the daemon */

static int print_help(const struct ctl_command *command)
{
    struct buf text = BUF_EMPTY;
    int status;

    if (command != NULL) {
        ctl_put_command_help(&text, command);
    } else {
        ctl_put_help(&text);
    }
    status = print(&text);
    buf_finish(&text);
    return status;
}

static int run_help(const struct invocation *invocation)
{
    const struct ctl_command *command = NULL;

    if (invocation->argument_count == 1) {
        command = ctl_command_find(invocation->arguments[0]);
        if (command == NULL) {
            return unknown_command(invocation->arguments[0]);
        }
    }
    return print_help(command);
}

static int print_reference(const char *form)
{
    struct buf text = BUF_EMPTY;
    int status;

    if (ctl_put_reference(&text, form) != 0) {
        status =
            fail(CTL_USAGE, "--print-reference: expected man, markdown or bash, not \"%s\"", form);
    } else {
        status = print(&text);
    }
    buf_finish(&text);
    return status;
}

/* Commands of the daemon */

/** Redraws the terminal. Cuts the text to the terminal's lines, and does not wrap lines. */
static int redraw(const struct buf *text)
{
    struct winsize size = {0};
    struct buf screen = BUF_EMPTY;
    const char *at = text->length != 0 ? text->bytes : "";
    int status;

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    buf_puts(&screen, "\033[?7l\033[H");
    for (int row = 1; *at != '\0' && (row < size.ws_row || size.ws_row == 0); row++) {
        int length = (int)strcspn(at, "\n");

        buf_printf(&screen, "%.*s\033[K\n", length, at);
        at += length + (at[length] == '\n');
    }
    buf_puts(&screen, "\033[J\033[?7h");
    status = print(&screen);
    buf_finish(&screen);
    return status;
}

/** Asks the instance. Several instances are asked for their status only. */
static enum ctl_exit ask(const struct ctl_sockets *sockets, const struct ctl_request *request,
                         struct buf *out, struct buf *error)
{
    if (sockets->count > 1) {
        return ctl_fleet_status(sockets, request->timeout_ms, request->wants_json, out, error);
    }
    return ctl_perform(&sockets->sockets[0], request, out, error);
}

/** Asks every second. An instance that answered once may then go away and come back. */
static int watch(const struct ctl_sockets *sockets, const struct ctl_request *request)
{
    bool is_terminal = isatty(STDOUT_FILENO);
    int status = CTL_DONE;

    for (bool is_first = true; status == CTL_DONE; is_first = false) {
        struct buf out = BUF_EMPTY;
        struct buf error = BUF_EMPTY;
        int result = ask(sockets, request, &out, &error);

        if (result != CTL_DONE && is_first && sockets->count == 1) {
            status = fail_with(result, &error);
        } else if (is_terminal) {
            buf_append(&out, error.bytes, error.length);
            status = redraw(&out);
        } else {
            fail_with(result, &error);
            status = print(&out);
        }
        buf_finish(&out);
        buf_finish(&error);
        if (status == CTL_DONE) {
            sleep(1);
        }
    }
    return status;
}

static int run_once(const struct ctl_sockets *sockets, const struct ctl_request *request)
{
    struct buf out = BUF_EMPTY;
    struct buf error = BUF_EMPTY;
    int result = ask(sockets, request, &out, &error);

    return print_result(result, &out, &error);
}

static int run_remote(const struct invocation *invocation)
{
    const struct ctl_command *command = invocation->command;
    bool is_act = command->kind == CTL_KIND_ACT ||
                  (command->kind == CTL_KIND_TUNE && invocation->argument_count != 0);
    struct buf text = BUF_EMPTY;
    struct ctl_sockets sockets;
    struct ctl_request request = {
        .method = is_act ? "POST" : "GET",
        .wants_json = invocation->wants_json,
        .timeout_ms = invocation->timeout_ms,
    };
    int status;

    if (is_act && invocation->watches) {
        return fail(CTL_USAGE, "%s changes something: --watch is not for it", command->name);
    }
    status = ctl_find_sockets(invocation->socket, invocation->instance, &sockets, &text);
    if (status == CTL_DONE && strcmp(command->name, "status") != 0) {
        status = ctl_expect_one(&sockets, &text);
    }
    if (status != CTL_DONE) {
        fail_with(status, &text);
    } else {
        ctl_put_target(&text, command, invocation->arguments, invocation->argument_count);
        if (invocation->is_forced) {
            ctl_put_parameter(&text, "force", "1");
        }
        if (invocation->trust != NULL) {
            ctl_put_parameter(&text, "trust", invocation->trust);
        }
        request.target = text.bytes;
        status = invocation->watches ? watch(&sockets, &request) : run_once(&sockets, &request);
    }
    ctl_sockets_finish(&sockets);
    buf_finish(&text);
    return status;
}

/* The journal */

/** Inspects the directory and prints the result. */
static int print_inspection(enum ctl_exit (*inspect)(const char *directory, bool wants_json,
                                                     struct buf *out, struct buf *error),
                            const struct invocation *invocation)
{
    struct buf out = BUF_EMPTY;
    struct buf error = BUF_EMPTY;
    int result = inspect(invocation->arguments[1], invocation->wants_json, &out, &error);

    return print_result(result, &out, &error);
}

/** Asks until the replay is done or the timeout is over. */
static int await_replay(const struct invocation *invocation, const struct ctl_socket *socket,
                        struct ctl_request request)
{
    uint64_t end_ms = clock_monotonic_ms() + invocation->timeout_ms;
    struct buf shown = BUF_EMPTY;
    struct buf trouble = BUF_EMPTY;
    bool is_done = false;
    int status;

    request.method = "GET";
    request.wants_json = true;
    while (!is_done) {
        struct buf out = BUF_EMPTY;
        struct buf error = BUF_EMPTY;
        int result = ctl_perform(socket, &request, &out, &error);

        is_done = result == CTL_DONE && strstr(out.bytes, "\"done\"") != NULL;
        fail_with(result, &error);
        buf_finish(&out);
        buf_finish(&error);
        if (result != CTL_DONE) {
            return result;
        }
        if (!is_done && clock_monotonic_ms() >= end_ms) {
            return fail(CTL_UNREACHABLE,
                        "not all of it is in the store yet; the instance goes on, and the same "
                        "command waits again");
        }
        usleep(is_done ? 0 : REPLAY_INTERVAL_US);
    }
    request.wants_json = invocation->wants_json;
    status = ctl_perform(socket, &request, &shown, &trouble);
    return print_result(status, &shown, &trouble);
}

/** Starts a replay, waits for its end and prints the result. */
static int replay(const struct invocation *invocation, const struct ctl_socket *socket,
                  const struct ctl_request *request)
{
    struct buf out = BUF_EMPTY;
    struct buf error = BUF_EMPTY;
    int result = ctl_perform(socket, request, &out, &error);

    fail_with(result, &error);
    buf_finish(&out);
    buf_finish(&error);
    return result == CTL_DONE ? await_replay(invocation, socket, *request) : result;
}

static int run_replay(const struct invocation *invocation)
{
    char path[PATH_MAX];
    const char *directory = realpath(invocation->arguments[1], path);
    char *arguments[] = {invocation->arguments[0], path};
    struct ctl_request request = {.method = "POST",
                                  .wants_json = invocation->wants_json,
                                  .timeout_ms = invocation->timeout_ms};
    struct ctl_socket socket;
    struct buf text = BUF_EMPTY;
    int status;

    if (directory == NULL) {
        return fail(CTL_UNREACHABLE, "%s: %s", invocation->arguments[1], strerror(errno));
    }
    status = ctl_find_socket(invocation->socket, invocation->instance, &socket, &text);
    if (status != CTL_DONE) {
        fail_with(status, &text);
    } else {
        ctl_put_target(&text, invocation->command, arguments, 2);
        request.target = text.bytes;
        status = replay(invocation, &socket, &request);
    }
    buf_finish(&text);
    return status;
}

static int run_journal(const struct invocation *invocation)
{
    const char *action = invocation->arguments[0];

    if (invocation->watches) {
        return fail(CTL_USAGE, "--watch is not for journal");
    }
    if (strcmp(action, "show") == 0) {
        return print_inspection(ctl_journal_show, invocation);
    }
    if (strcmp(action, "aside") == 0) {
        return print_inspection(ctl_journal_aside, invocation);
    }
    if (strcmp(action, "verify") == 0) {
        return print_inspection(ctl_journal_verify, invocation);
    }
    if (strcmp(action, "replay") == 0) {
        return run_replay(invocation);
    }
    return fail(CTL_USAGE, "journal: expected show, verify or replay, or aside, not \"%s\"",
                action);
}

/* Export and import */

static int run_pages(const struct invocation *invocation)
{
    bool is_import = strcmp(invocation->command->name, "import") == 0;
    struct ctl_request request = {.method = "GET",
                                  .wants_json = invocation->wants_json,
                                  .timeout_ms = invocation->timeout_ms};
    struct buf error = BUF_EMPTY;
    struct ctl_socket socket;
    int status;

    if (invocation->watches) {
        return fail(CTL_USAGE, "--watch is not for %s", invocation->command->name);
    }
    status = ctl_find_socket(invocation->socket, invocation->instance, &socket, &error);
    if (status == CTL_DONE && is_import) {
        status = ctl_import(&socket, &request, invocation->is_forced, &error);
    } else if (status == CTL_DONE) {
        status =
            ctl_export(&socket, &request, invocation->is_forced,
                       invocation->argument_count != 0 ? invocation->arguments[0] : NULL, &error);
    }
    fail_with(status, &error);
    buf_finish(&error);
    return status;
}

/* Backup */

static int run_backup(const struct invocation *invocation)
{
    struct ctl_request request = {.wants_json = invocation->wants_json,
                                  .timeout_ms = invocation->timeout_ms};
    struct buf out = BUF_EMPTY;
    struct buf error = BUF_EMPTY;
    struct ctl_socket socket;
    int status;

    if (invocation->watches) {
        return fail(CTL_USAGE, "--watch is not for backup");
    }
    status = ctl_find_socket(invocation->socket, invocation->instance, &socket, &error);
    if (status == CTL_DONE) {
        status = ctl_backup(&socket, &request, invocation->is_forced, invocation->arguments[0],
                            &out, &error);
    }
    return print_result(status, &out, &error);
}

int main(int argc, char **argv)
{
    struct invocation invocation = {.timeout_ms = DEFAULT_TIMEOUT_MS};
    int status = parse_options(argc, argv, &invocation);

    if (status == CTL_DONE) {
        status = parse_command(argc - optind, argv + optind, &invocation);
    }
    if (status != CTL_DONE) {
        return status;
    }
    if (invocation.reference != NULL) {
        return print_reference(invocation.reference);
    }
    if (invocation.wants_version) {
        puts("visitcountctl " VISITCOUNTD_VERSION);
        return CTL_DONE;
    }
    if (invocation.wants_help) {
        return print_help(invocation.command);
    }
    if (invocation.command == NULL) {
        return fail(CTL_USAGE, "no command given; visitcountctl help lists them");
    }
    if (strcmp(invocation.command->name, "import") == 0 ||
        strcmp(invocation.command->name, "export") == 0) {
        return run_pages(&invocation);
    }
    if (invocation.command->kind == CTL_KIND_LOCAL) {
        return run_help(&invocation);
    }
    if (strcmp(invocation.command->name, "journal") == 0) {
        return run_journal(&invocation);
    }
    if (strcmp(invocation.command->name, "backup") == 0) {
        return run_backup(&invocation);
    }
    return run_remote(&invocation);
}
