/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as commands of the admin socket: each line is a command with its parameters, as
 * "top?site=default&number=3". "!" before it makes it a POST. Bytes that a URL cannot have are
 * percent-encoded first. The real routes, server and engine answer each command twice, as text and
 * as JSON. Every command gets an answer without an internal error. The text has no control or
 * misleading characters. All of it runs twice, in memory with different content, and the answers
 * have to be the same.
 */
#include "answers.h"
#include "base/buf.h"
#include "fill.h"
#include "fuzz.h"
#include "served.h"

#include <string.h>

/* each one is sent twice, on a connection of its own */
#define LINES_MAX (SERVED_CLIENTS_MAX / 2)

const char *__lsan_default_suppressions(void);

/* libh2o 2.2.5 never frees the queue of a context */
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_multithread_create_queue";
}

static void put_target(struct buf *out, const char *line, size_t length)
{
    buf_putc(out, '/');
    for (size_t i = 0; i < length; i++) {
        if (line[i] > ' ' && line[i] < 0x7f && line[i] != '#') {
            buf_putc(out, line[i]);
        } else {
            buf_printf(out, "%%%02x", (unsigned char)line[i]);
        }
    }
}

static void ask(struct served *served, const char *line, size_t length, const char *type)
{
    bool is_post = length != 0 && *line == '!';
    struct buf request = BUF_EMPTY;

    buf_puts(&request, is_post ? "POST " : "GET ");
    put_target(&request, line + is_post, length - is_post);
    buf_printf(&request, " HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\nContent-Length: 0\r\n\r\n",
               type);
    check_that(served_connect(served, true));
    served_send(served, (const uint8_t *)request.bytes, request.length);
    served_close(served, false);
    buf_finish(&request);
}

static void ask_all(struct served *served, const char *text, size_t length)
{
    for (size_t count = 0; length != 0 && count < LINES_MAX; count++) {
        const char *end = memchr(text, '\n', length);
        size_t line = end != NULL ? (size_t)(end - text) : length;

        ask(served, text, line, "text/plain");
        ask(served, text, line, "application/json");
        text += end != NULL ? line + 1 : line;
        length -= end != NULL ? line + 1 : line;
    }
}

static void run(const char *text, size_t length, uint8_t filling, struct buf *ret_received)
{
    struct served *served;

    fill_with(filling);
    served = served_create();
    ask_all(served, text, length);
    for (size_t i = 0; i < served_client_count(served); i++) {
        const struct buf *received = served_received(served, i);
        struct answers answers = answers_read(received);

        check_that(answers.count == 1 && answers.failed == 0);
        buf_append(ret_received, received->bytes, received->length);
        buf_putc(ret_received, '\n');
    }
    served_destroy(served);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    answers_run_twice(run, bytes, length);
    return 0;
}
