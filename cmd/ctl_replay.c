/* SPDX-License-Identifier: MIT */
/*
 * ctl_replay: `visitcountctl journal`. Inspections read the directory, a replay asks the instance.
 */
#include "ctl_client.h"
#include "ctl_journal.h"
#include "ctl_json.h"
#include "ctl_output.h"
#include "ctl_perform.h"
#include "ctl_run.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* how often to ask whether a replay is done */
#define REPLAY_INTERVAL_US 100000

/** Inspects the directory and prints the result. */
static int print_inspection(enum ctl_exit (*inspect)(const char *directory, bool wants_json,
                                                     struct buf *out, struct buf *error),
                            const struct ctl_invocation *invocation)
{
    struct buf out = BUF_EMPTY;
    struct buf error = BUF_EMPTY;
    int result = inspect(invocation->arguments[1], invocation->wants_json, &out, &error);

    return ctl_output_finish(result, &out, &error);
}

/** Whether the answer says that a replay goes on or is done. Appends the error otherwise. */
static bool parse_state(const struct buf *answer, const struct ctl_socket *socket,
                        bool *ret_is_done, struct buf *error)
{
    *ret_is_done = ctl_json_has_text(answer->bytes, answer->length, "state", "done");
    if (!*ret_is_done && !ctl_json_has_text(answer->bytes, answer->length, "state", "replaying")) {
        buf_printf(error,
                   "%s: expected the state of the replay, \"done\" or \"replaying\", got an answer "
                   "without it; is it another program or another version of visitcountd?",
                   socket->path);
        return false;
    }
    return true;
}

/** Asks until the replay is done or the timeout is over. */
static int await_replay(const struct ctl_invocation *invocation, const struct ctl_socket *socket,
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

        if (result == CTL_DONE && !parse_state(&out, socket, &is_done, &error)) {
            result = CTL_UNREACHABLE;
        }
        ctl_output_fail_with(result, &error);
        buf_finish(&out);
        buf_finish(&error);
        if (result != CTL_DONE) {
            return result;
        }
        if (!is_done && clock_monotonic_ms() >= end_ms) {
            return ctl_output_fail(
                CTL_UNREACHABLE,
                "%s: not all of it is in the store yet; the instance goes on. Repeat the "
                "command to wait again, or wait longer with --timeout",
                invocation->arguments[1]);
        }
        usleep(is_done ? 0 : REPLAY_INTERVAL_US);
    }
    request.wants_json = invocation->wants_json;
    status = ctl_perform(socket, &request, &shown, &trouble);
    return ctl_output_finish(status, &shown, &trouble);
}

/** Starts a replay, waits for its end and prints the result. */
static int replay(const struct ctl_invocation *invocation, const struct ctl_socket *socket,
                  const struct ctl_request *request)
{
    struct buf out = BUF_EMPTY;
    struct buf error = BUF_EMPTY;
    int result = ctl_perform(socket, request, &out, &error);

    ctl_output_fail_with(result, &error);
    buf_finish(&out);
    buf_finish(&error);
    return result == CTL_DONE ? await_replay(invocation, socket, *request) : result;
}

static int run_replay(const struct ctl_invocation *invocation)
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
        return ctl_output_fail(CTL_UNREACHABLE, "%s: %s", invocation->arguments[1],
                               strerror(errno));
    }
    status = ctl_socket_find(invocation->socket, invocation->instance, &socket, &text);
    if (status != CTL_DONE) {
        ctl_output_fail_with(status, &text);
    } else {
        ctl_command_put_target(&text, invocation->command, arguments, 2);
        request.target = text.bytes;
        status = replay(invocation, &socket, &request);
    }
    buf_finish(&text);
    return status;
}

int ctl_run_journal(const struct ctl_invocation *invocation)
{
    const char *action = invocation->arguments[0];

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
    return ctl_output_fail(CTL_USAGE, "journal: expected show, aside, verify or replay, got \"%s\"",
                           action);
}
