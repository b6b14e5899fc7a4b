/* SPDX-License-Identifier: MIT */
#include "ctl_client.h"

#include "base/clock.h"
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define BODY_MAX (16 * 1024 * 1024)

/* The request */

/** The state of one request. */
struct exchange {
    int fd;
    uint64_t timeout_ms;
    uint64_t deadline_ms;
    struct buf received;
    struct buf *error;
    const char *path; /* of the socket, for errors */
    bool is_stream;   /* the body has any length and ends with the connection */
};

static bool fail(struct exchange *exchange, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct exchange *exchange, const char *format, ...)
{
    va_list arguments;

    buf_printf(exchange->error, "%s: ", exchange->path);
    va_start(arguments, format);
    buf_vprintf(exchange->error, format, arguments);
    va_end(arguments);
    return false;
}

static bool fail_late(struct exchange *exchange)
{
    char text[UNITS_TEXT_MAX];

    return fail(exchange, "no answer within %s; --timeout waits longer",
                units_format_duration(exchange->timeout_ms, text));
}

static bool fail_closed(struct exchange *exchange)
{
    return fail(exchange,
                "closed without an answer; the instance has ended, or does not admit you: "
                "members of the group visitcountd may connect");
}

static const char *explain_connect(int error)
{
    switch (error) {
    case ENOENT:
        return "there is no such socket; does the instance run?";
    case ECONNREFUSED:
        return "nobody listens; the instance has ended";
    case EACCES:
        return "permission denied; members of the group visitcountd may connect";
    default:
        return strerror(error);
    }
}

static bool connect_socket(struct exchange *exchange, const struct ctl_socket *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {
        .tv_sec = (time_t)(exchange->timeout_ms / 1000),
        .tv_usec = (suseconds_t)(exchange->timeout_ms % 1000 * 1000),
    };

    memcpy(address.sun_path, path->path, sizeof(address.sun_path));
    exchange->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (exchange->fd < 0) {
        return fail(exchange, "%s", strerror(errno));
    }
    /* unlike poll(2), this also limits a connect that waits for room in the listen queue */
    setsockopt(exchange->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(exchange->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return errno == EAGAIN ? fail_late(exchange) : fail(exchange, "%s", explain_connect(errno));
    }
    return true;
}

static bool send_request(struct exchange *exchange, const struct ctl_request *request)
{
    struct buf text = BUF_EMPTY;
    size_t sent = 0;
    bool is_sent = true;

    buf_printf(&text,
               "%s %s HTTP/1.%d\r\n"
               "Host: localhost\r\n"
               "Accept: %s\r\n"
               "Content-Length: 0\r\n"
               "Connection: close\r\n"
               "\r\n",
               request->method, request->target, exchange->is_stream ? 0 : 1,
               request->wants_json ? "application/json" : "text/plain");
    while (sent < text.length) {
        ssize_t n = send(exchange->fd, text.bytes + sent, text.length - sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            break;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    if (sent < text.length) {
        is_sent = errno == EAGAIN ? fail_late(exchange) : fail_closed(exchange);
    }
    buf_finish(&text);
    return is_sent;
}

/** Waits for more bytes. Returns false on an error. Sets `ret_is_end` at the end. */
static bool receive(struct exchange *exchange, bool *ret_is_end)
{
    struct pollfd readable = {.fd = exchange->fd, .events = POLLIN};
    uint64_t now_ms = clock_monotonic_ms();
    char bytes[16384];
    ssize_t n;

    if (now_ms >= exchange->deadline_ms) {
        return fail_late(exchange);
    }
    switch (poll(&readable, 1, (int)(exchange->deadline_ms - now_ms))) {
    case 0:
        return fail_late(exchange);
    case -1:
        return errno == EINTR || fail(exchange, "%s", strerror(errno));
    }
    n = recv(exchange->fd, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        *ret_is_end = true; /* also after a reset: the bytes received so far count */
        return true;
    }
    buf_append(&exchange->received, bytes, (size_t)n);
    return true;
}

/* The answer */

struct answer_head {
    int status;
    size_t length; /* of the head, including the empty line */
    bool has_body_length;
    uint64_t body_length;
};

/** Copies the value of header `name` to `value`. `head` ends in an empty line. */
static bool find_header(const char *head, const char *name, char *value, size_t size)
{
    size_t name_length = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        size_t length;

        line += 2;
        if (strncasecmp(line, name, name_length) != 0 || line[name_length] != ':') {
            continue;
        }
        line += name_length + 1;
        line += strspn(line, " \t");
        length = strcspn(line, " \t\r\n");
        if (length >= size) {
            length = size - 1;
        }
        memcpy(value, line, length);
        value[length] = '\0';
        return true;
    }
    return false;
}

/** Parses "HTTP/1.x NNN …" and the headers. `head` is NUL-terminated. */
static bool parse_head(char *head, struct answer_head *ret_head)
{
    char value[32];

    if (strncmp(head, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)head[7]) || head[8] != ' ' ||
        !isdigit((unsigned char)head[9]) || !isdigit((unsigned char)head[10]) ||
        !isdigit((unsigned char)head[11])) {
        return false;
    }
    ret_head->status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
    if (ret_head->status < 200 || find_header(head, "transfer-encoding", value, sizeof(value))) {
        return false;
    }
    ret_head->has_body_length = find_header(head, "content-length", value, sizeof(value));
    return !ret_head->has_body_length || units_parse_u64(value, &ret_head->body_length) == 0;
}

static bool receive_head(struct exchange *exchange, struct answer_head *ret_head)
{
    struct buf *received = &exchange->received;
    char *end = NULL;
    bool is_end = false;

    while (end == NULL) {
        if (is_end || received->length > HEAD_MAX) {
            return fail(
                exchange,
                "expected HTTP, got something else; is it the admin socket of visitcountd?");
        }
        if (!receive(exchange, &is_end)) {
            return false;
        }
        if (received->length == 0) {
            return fail_closed(exchange);
        }
        end = memmem(received->bytes, received->length, "\r\n\r\n", 4);
    }
    ret_head->length = (size_t)(end - received->bytes) + 4;
    end[2] = '\0';
    if (!parse_head(received->bytes, ret_head)) {
        return fail(
            exchange,
            "expected an answer of visitcountd, got other HTTP; is it the admin socket of visitcountd?");
    }
    return true;
}

static bool receive_body(struct exchange *exchange, const struct answer_head *head,
                         struct buf *ret_body)
{
    struct buf *received = &exchange->received;
    bool is_end = false;

    if (head->has_body_length && head->body_length > BODY_MAX) {
        return fail(exchange, "the answer is longer than %d bytes; is it visitcountd?", BODY_MAX);
    }
    while (!is_end &&
           (!head->has_body_length || received->length - head->length < head->body_length)) {
        if (!receive(exchange, &is_end)) {
            return false;
        }
        if (received->length - head->length > BODY_MAX) {
            return fail(exchange, "the answer is longer than %d bytes; is it visitcountd?",
                        BODY_MAX);
        }
    }
    if (head->has_body_length && received->length - head->length < head->body_length) {
        return fail(
            exchange,
            "the answer was cut off; the instance has ended. Repeat the command if it changes nothing");
    }
    *ret_body = BUF_EMPTY;
    buf_append(ret_body, received->bytes + head->length,
               head->has_body_length ? (size_t)head->body_length : received->length - head->length);
    return true;
}

bool ctl_client_ask(const struct ctl_socket *socket, const struct ctl_request *request,
                    struct ctl_answer *ret_answer, struct buf *error)
{
    struct exchange exchange = {
        .fd = -1,
        .timeout_ms = request->timeout_ms,
        .deadline_ms = clock_monotonic_ms() + request->timeout_ms,
        .error = error,
        .path = socket->path,
    };
    struct answer_head head = {0};
    bool is_answered = connect_socket(&exchange, socket) && send_request(&exchange, request) &&
                       receive_head(&exchange, &head) &&
                       receive_body(&exchange, &head, &ret_answer->body);

    if (is_answered) {
        ret_answer->status = head.status;
    }
    if (exchange.fd >= 0) {
        close(exchange.fd);
    }
    buf_finish(&exchange.received);
    return is_answered;
}

/* Streams */

/* passes all bytes to `on_bytes` until the end */
static void pass_on(struct exchange *exchange, size_t offset, ctl_on_bytes on_bytes, void *data)
{
    struct buf *received = &exchange->received;
    bool is_end = false;

    while (received->length == offset ||
           on_bytes(data, received->bytes + offset, received->length - offset)) {
        buf_clear(received);
        offset = 0;
        exchange->deadline_ms = clock_monotonic_ms() + exchange->timeout_ms;
        if (is_end || !receive(exchange, &is_end)) {
            return;
        }
    }
}

bool ctl_client_stream(const struct ctl_socket *socket, const struct ctl_request *request,
                       ctl_on_bytes on_bytes, void *data, struct ctl_answer *ret_answer,
                       struct buf *error)
{
    struct exchange exchange = {
        .fd = -1,
        .timeout_ms = request->timeout_ms,
        .deadline_ms = clock_monotonic_ms() + request->timeout_ms,
        .error = error,
        .path = socket->path,
        .is_stream = true,
    };
    struct answer_head head = {0};
    bool is_answered = connect_socket(&exchange, socket) && send_request(&exchange, request) &&
                       receive_head(&exchange, &head);

    if (is_answered) {
        ret_answer->status = head.status;
        ret_answer->body = BUF_EMPTY;
        if (head.status < 300) {
            pass_on(&exchange, head.length, on_bytes, data);
        } else {
            is_answered = receive_body(&exchange, &head, &ret_answer->body);
        }
    }
    if (exchange.fd >= 0) {
        close(exchange.fd);
    }
    buf_finish(&exchange.received);
    return is_answered;
}
