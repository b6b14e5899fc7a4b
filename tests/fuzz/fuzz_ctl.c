/* SPDX-License-Identifier: MIT */
/*
 * Any bytes that visitcountctl receives from an admin socket. Lines of "@" separate the answers of
 * consecutive connections, without one after the last answer. The commands with parsers of their
 * own read them: a request in text and in JSON, the table of several instances, an export, a
 * stream. A failure has a printable reason, a success has none, and JSON output is valid. The
 * result is the same if the bytes arrive one by one.
 */
#include "base/buf.h"
#include "base/utf8.h"
#include "ctl_fleet.h"
#include "ctl_json.h"
#include "ctl_output.h"
#include "ctl_pages.h"
#include "ctl_perform.h"
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* bytes that arrive one by one; the rest comes at once */
#define SINGLE_BYTES 120

#define TIMEOUT_MS 60000

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
ssize_t __real_recv(int fd, void *bytes, size_t length, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags);

/* --- the daemon --- */

static const char *answers; /* those that are left */
static size_t answers_length;
static size_t single_bytes; /* how many bytes still arrive one by one */
static bool is_single;
static int peer = -1; /* the daemon's side of the connection */

/* the next answer, up to a line of "@" or the end */
static size_t find_answer_end(void)
{
    const char *end = answers_length != 0 ? memmem(answers, answers_length, "\n@\n", 3) : NULL;

    return end != NULL ? (size_t)(end - answers) : answers_length;
}

static void skip_answer(size_t length)
{
    size_t skipped = length < answers_length ? length + 3 : length;

    answers += skipped;
    answers_length -= skipped;
}

static void hang_up(void)
{
    if (peer >= 0) {
        close(peer);
        peer = -1;
    }
}

/* the connection already has the answer and its end; without one it only has its end */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    size_t answer = find_answer_end();
    int pair[2];

    (void)address, (void)length;
    hang_up();
    check_that(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    peer = pair[1];
    check_that(send(peer, answers, answer, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)answer);
    check_that(shutdown(peer, SHUT_WR) == 0);
    check_that(dup2(pair[0], fd) == fd && close(pair[0]) == 0);
    skip_answer(answer);
    single_bytes = is_single ? SINGLE_BYTES : 0;
    return 0;
}

ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags)
{
    if (single_bytes != 0) {
        single_bytes--;
        length = 1;
    }
    return __real_recv(fd, bytes, length, flags);
}

/* --- the commands --- */

/* what a command did */
struct result {
    enum ctl_exit status;
    struct buf out;
    struct buf error;
};

static const struct ctl_socket sockets[] = {{"/run/1/admin.sock"}, {"/run/2/admin.sock"}};

static void ask(bool wants_json, struct result *result)
{
    const struct ctl_request request = {
        .method = "GET", .target = "/x", .wants_json = wants_json, .timeout_ms = TIMEOUT_MS};

    result->status = ctl_perform(&sockets[0], &request, &result->out, &result->error);
    check_that(!wants_json || result->out.length == 0 ||
               ctl_json_is_valid(result->out.bytes, result->out.length));
}

static void ask_all(bool wants_json, struct result *result)
{
    struct ctl_sockets both = {(struct ctl_socket *)sockets, 2};

    result->status = ctl_fleet_status(&both, TIMEOUT_MS, wants_json, &result->out, &result->error);
    check_that(result->out.length == 0 || result->out.bytes[result->out.length - 1] == '\n');
}

/* its lines go to standard output; what they are is in no result */
static void export_pages(bool wants_json, struct result *result)
{
    const struct ctl_request request = {
        .method = "GET", .wants_json = wants_json, .is_plain = true, .timeout_ms = TIMEOUT_MS};

    result->status =
        ctl_pages_export(&sockets[0], &request, false, wants_json ? "s" : NULL, &result->error);
}

static bool on_bytes(void *data, const char *bytes, size_t length)
{
    struct buf *out = data;

    check_that(length != 0);
    buf_append(out, bytes, length);
    return out->length < 4096;
}

static void stream(bool wants_json, struct result *result)
{
    const struct ctl_request request = {
        .method = "POST", .target = "/backup", .timeout_ms = TIMEOUT_MS};
    struct ctl_answer answer = {0};

    (void)wants_json;
    result->status = CTL_UNREACHABLE;
    if (ctl_client_stream(&sockets[0], &request, on_bytes, &result->out, &answer, &result->error)) {
        check_that(answer.status >= 200 && answer.status <= 999);
        result->status = answer.status < 300 ? CTL_DONE : CTL_REFUSED;
        if (result->status == CTL_REFUSED) {
            ctl_perform_put_refusal(&sockets[0], &answer, false, &result->out, &result->error);
        }
        buf_clear(&result->out); /* how much of a stream is passed on depends on its pieces */
    }
    buf_finish(&answer.body);
}

static void (*const commands[])(bool wants_json, struct result *result) = {ask, ask_all,
                                                                           export_pages, stream};

/* --- the checks --- */

static void check_shown(const struct buf *text)
{
    struct buf shown = BUF_EMPTY;

    buf_put_printable(&shown, text->bytes, text->length);
    for (size_t at = 0; at < shown.length;) {
        size_t length = utf8_sequence_length(shown.bytes + at, shown.length - at);

        check_that(length != 0 && (unsigned char)shown.bytes[at] >= 0x20);
        check_that(shown.bytes[at] != 0x7f && !utf8_misleading(shown.bytes + at, length));
        at += length;
    }
    buf_finish(&shown);
}

static struct result run(size_t command, bool wants_json, bool by_bytes, const char *text,
                         size_t length)
{
    struct result result = {0};

    answers = text;
    answers_length = length;
    is_single = by_bytes;
    commands[command](wants_json, &result);
    hang_up();
    /* the table of instances has its reasons in its lines */
    check_that(result.status != CTL_DONE || result.error.length == 0);
    check_that(result.status == CTL_DONE || result.error.length != 0 || result.out.length != 0);
    check_shown(&result.error);
    return result;
}

static bool is_same(const struct buf *one, const struct buf *other)
{
    return one->length == other->length &&
           (one->length == 0 || memcmp(one->bytes, other->bytes, one->length) == 0);
}

static void run_twice(size_t command, bool wants_json, const char *text, size_t length)
{
    struct result whole = run(command, wants_json, false, text, length);
    struct result single = run(command, wants_json, true, text, length);

    check_that(whole.status == single.status);
    check_that(is_same(&whole.out, &single.out) && is_same(&whole.error, &single.error));
    buf_finish(&whole.out);
    buf_finish(&whole.error);
    buf_finish(&single.out);
    buf_finish(&single.error);
}

static void drop_output(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    check_that(fd >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO && close(fd) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static bool is_prepared;

    if (!is_prepared) {
        drop_output();
        is_prepared = true;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        run_twice(i, false, (const char *)bytes, length);
        run_twice(i, true, (const char *)bytes, length);
    }
    return 0;
}
