/* SPDX-License-Identifier: MIT */
#include "ctl_run.h"

#include "ctl_backup.h"
#include "ctl_client.h"
#include "ctl_fleet.h"
#include "ctl_import.h"
#include "ctl_output.h"
#include "ctl_pages.h"
#include "ctl_perform.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int ctl_run_refuse_name(const char *name)
{
    const char *nearest = ctl_command_suggest(name);

    if (nearest != NULL) {
        return ctl_output_fail(CTL_USAGE, "unknown command \"%s\"; did you mean %s?", name,
                               nearest);
    }
    return ctl_output_fail(CTL_USAGE, "unknown command \"%s\"; visitcountctl help lists them",
                           name);
}

/* Commands without the daemon */

int ctl_run_print_help(const struct ctl_command *command)
{
    struct buf text = BUF_EMPTY;
    int status;

    if (command != NULL) {
        ctl_command_put_help(&text, command);
    } else {
        ctl_commands_put_help(&text);
    }
    status = ctl_output_print(&text);
    buf_finish(&text);
    return status;
}

int ctl_run_help(const struct ctl_invocation *invocation)
{
    const struct ctl_command *command = NULL;

    if (invocation->argument_count == 1) {
        command = ctl_command_find(invocation->arguments[0]);
        if (command == NULL) {
            return ctl_run_refuse_name(invocation->arguments[0]);
        }
    }
    return ctl_run_print_help(command);
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
    status = ctl_output_print(&screen);
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
            status = ctl_output_fail_with(result, &error);
        } else if (is_terminal) {
            buf_append(&out, error.bytes, error.length);
            status = redraw(&out);
        } else {
            ctl_output_fail_with(result, &error);
            status = ctl_output_print(&out);
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

    return ctl_output_finish(result, &out, &error);
}

/** Appends the target with the arguments and options of the command. */
static void put_target(struct buf *out, const struct ctl_invocation *invocation)
{
    ctl_command_put_target(out, invocation->command, invocation->arguments,
                           invocation->argument_count);
    if (invocation->is_forced) {
        ctl_command_put_parameter(out, "force", "1");
    }
    if (invocation->trust != NULL) {
        ctl_command_put_parameter(out, "trust", invocation->trust);
    }
}

static bool is_act(const struct ctl_invocation *invocation)
{
    enum ctl_kind kind = invocation->command->kind;

    return kind == CTL_KIND_ACT || (kind == CTL_KIND_TUNE && invocation->argument_count != 0);
}

/** Sends the command to these instances: several only if `may_be_several`. */
static int run_remote(const struct ctl_invocation *invocation, bool may_be_several)
{
    const struct ctl_command *command = invocation->command;
    struct buf text = BUF_EMPTY;
    struct ctl_sockets sockets;
    struct ctl_request request = {
        .method = is_act(invocation) ? "POST" : "GET",
        .wants_json = invocation->wants_json,
        .is_plain = (command->options & CTL_PLAIN) != 0,
        .timeout_ms = invocation->timeout_ms,
    };
    int status = ctl_sockets_find(invocation->socket, invocation->instance, &sockets, &text);

    if (status == CTL_DONE && !may_be_several) {
        status = ctl_sockets_expect_one(&sockets, &text);
    }
    if (status != CTL_DONE) {
        ctl_output_fail_with(status, &text);
    } else {
        put_target(&text, invocation);
        request.target = text.bytes;
        status = invocation->watches ? watch(&sockets, &request) : run_once(&sockets, &request);
    }
    ctl_sockets_finish(&sockets);
    buf_finish(&text);
    return status;
}

int ctl_run_request(const struct ctl_invocation *invocation)
{
    if (invocation->watches && is_act(invocation)) {
        return ctl_output_fail(CTL_USAGE,
                               "%s with an argument changes something, so it cannot be repeated by "
                               "--watch; leave one of them out",
                               invocation->command->name);
    }
    return run_remote(invocation, false);
}

int ctl_run_status(const struct ctl_invocation *invocation)
{
    return run_remote(invocation, true);
}

/* Export, import and backup */

static struct ctl_request request_of(const struct ctl_invocation *invocation)
{
    return (struct ctl_request){.method = "GET",
                                .wants_json = invocation->wants_json,
                                .timeout_ms = invocation->timeout_ms};
}

/** Reports the errors of a command that has written its output itself. Returns `status`. */
static int finish_errors(int status, struct buf *error)
{
    ctl_output_fail_with(status, error);
    buf_finish(error);
    return status;
}

int ctl_run_export(const struct ctl_invocation *invocation)
{
    const char *site = invocation->argument_count != 0 ? invocation->arguments[0] : NULL;
    struct ctl_request request = request_of(invocation);
    struct buf error = BUF_EMPTY;
    struct ctl_socket socket;
    int status = ctl_socket_find(invocation->socket, invocation->instance, &socket, &error);

    request.is_plain = true;
    if (status == CTL_DONE) {
        status = ctl_pages_export(&socket, &request, invocation->is_forced, site, &error);
    }
    return finish_errors(status, &error);
}

int ctl_run_import(const struct ctl_invocation *invocation)
{
    struct ctl_request request = request_of(invocation);
    struct buf error = BUF_EMPTY;
    struct ctl_socket socket;
    int status = ctl_socket_find(invocation->socket, invocation->instance, &socket, &error);

    if (status == CTL_DONE) {
        status = ctl_import(&socket, &request, invocation->is_forced, &error);
    }
    return finish_errors(status, &error);
}

int ctl_run_backup(const struct ctl_invocation *invocation)
{
    struct ctl_request request = request_of(invocation);
    struct buf out = BUF_EMPTY;
    struct buf error = BUF_EMPTY;
    struct ctl_socket socket;
    int status = ctl_socket_find(invocation->socket, invocation->instance, &socket, &error);

    if (status == CTL_DONE) {
        status = ctl_backup(&socket, &request, invocation->is_forced, invocation->arguments[0],
                            &out, &error);
    }
    return ctl_output_finish(status, &out, &error);
}
