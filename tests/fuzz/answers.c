/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include "base/utf8.h"
#include "fuzz.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct answer {
    const char *head;
    size_t head_length; /* with the empty line */
    const char *body;
    size_t body_length;
    bool is_whole;
};

/* the value of a header, or NULL */
static const char *find_header(const struct answer *answer, const char *name)
{
    const char *end = answer->head + answer->head_length - 2;
    size_t length = strlen(name);

    for (const char *line = answer->head; line < end;) {
        const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);

        if (next == NULL) {
            return NULL;
        }
        if ((size_t)(next - line) > length + 1 && strncasecmp(line, name, length) == 0 &&
            line[length] == ':') {
            line += length + 1;
            return line + strspn(line, " ");
        }
        line = next + 2;
    }
    return NULL;
}

static void check_head(const struct answer *answer)
{
    for (size_t i = 0; i < answer->head_length; i++) {
        unsigned char c = (unsigned char)answer->head[i];

        check_that(c >= 0x20 || c == '\r' || c == '\n');
        check_that(c != '\n' || (i > 0 && answer->head[i - 1] == '\r'));
        check_that(c != '\r' || answer->head[i + 1] == '\n');
    }
    for (size_t i = 9; i < 12; i++) {
        check_that(isdigit((unsigned char)answer->head[i]));
    }
}

/* the body is in chunks (RFC 9112, 7.1); returns where it ends, or NULL if it is cut off */
static const char *skip_chunks(const char *at, const char *end)
{
    for (;;) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        char *size_end;
        unsigned long size;

        if (line_end == NULL) {
            return NULL;
        }
        size = strtoul(at, &size_end, 16);
        check_that(size_end > at && size_end <= line_end);
        if (size + 4 > (size_t)(end - line_end)) {
            return NULL;
        }
        at = line_end + 2 + size;
        check_that(memcmp(at, "\r\n", 2) == 0);
        at += 2;
        if (size == 0) {
            return at;
        }
    }
}

static bool ends_connection(const struct answer *answer)
{
    const char *connection = find_header(answer, "connection");

    return connection != NULL && strncasecmp(connection, "close", 5) == 0;
}

/*
 * A body has its length, or is in chunks, or ends with the connection (a stream for HTTP/1.0).
 * Answers to HEAD have none.
 */
static const char *find_end(struct answer *answer, const char *end)
{
    const char *length = find_header(answer, "content-length");
    size_t left = (size_t)(end - answer->body);
    bool has_body = left != 0 && (left < 7 || memcmp(answer->body, "HTTP/1.", 7) != 0);

    if (find_header(answer, "transfer-encoding") != NULL) {
        return skip_chunks(answer->body, end);
    }
    if (length == NULL && ends_connection(answer)) {
        return end;
    }
    if (length == NULL || !has_body) {
        return length != NULL && strtoul(length, NULL, 10) != 0 && left == 0 ? end : answer->body;
    }
    answer->body_length = strtoul(length, NULL, 10);
    return answer->body_length <= left ? answer->body + answer->body_length : NULL;
}

static bool next_answer(const char **at, const char *end, struct answer *ret_answer)
{
    struct answer answer = {.head = *at};
    const char *head_end = memmem(*at, (size_t)(end - *at), "\r\n\r\n", 4);
    const char *answer_end;

    check_that(end - *at < 9 || memcmp(*at, "HTTP/1.1 ", 9) == 0 ||
               memcmp(*at, "HTTP/1.0 ", 9) == 0);
    if (head_end == NULL) {
        return false;
    }
    answer.body = head_end + 4;
    answer.head_length = (size_t)(answer.body - answer.head);
    check_head(&answer);
    answer_end = find_end(&answer, end);
    if (answer_end == NULL) {
        return false;
    }
    *at = answer_end;
    *ret_answer = answer;
    return true;
}

static size_t line_length(const char *line, const char *end)
{
    const char *line_end = memchr(line, '\n', (size_t)(end - line));

    return line_end != NULL ? (size_t)(line_end - line) + 1 : (size_t)(end - line);
}

static bool is_json(const char *text, size_t length)
{
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    bool is_valid = root != NULL;

    json_decref(root);
    return is_valid;
}

/* one value, or one in each line, as of "export" */
static void check_json(const struct answer *answer)
{
    const char *type = find_header(answer, "content-type");
    const char *line = answer->body;
    const char *end = line + answer->body_length;

    if (answer->body_length == 0 || type == NULL || strncmp(type, "application/json", 16) != 0 ||
        is_json(answer->body, answer->body_length)) {
        return;
    }
    for (; line < end; line += line_length(line, end)) {
        check_that(is_json(line, line_length(line, end)));
    }
}

/* text that a terminal may show: utf8.h names the characters that mislead */
static void check_text(const struct answer *answer)
{
    const char *type = find_header(answer, "content-type");

    if (answer->body_length == 0 || type == NULL || strncmp(type, "text/plain", 10) != 0) {
        return;
    }
    for (size_t at = 0; at < answer->body_length;) {
        size_t length = utf8_sequence_length(answer->body + at, answer->body_length - at);
        unsigned character;

        check_that(length != 0);
        character = utf8_decode(answer->body + at, length);
        check_that(character >= 0x20 || character == '\n' || character == '\t');
        check_that(character < 0x7f || character > 0x9f);
        check_that(!utf8_misleading(answer->body + at, length));
        at += length;
    }
}

struct answers answers_read(const struct buf *received)
{
    struct answers answers = {0};
    const char *at = received->length != 0 ? received->bytes : "";
    const char *end = at + received->length;
    struct answer answer;

    while (at < end && next_answer(&at, end, &answer)) {
        const char *outcome = find_header(&answer, "visitcount-status");
        long status = strtol(answer.head + 9, NULL, 10);

        check_json(&answer);
        check_text(&answer);
        answers.count++;
        answers.counted += outcome != NULL && strncmp(outcome, "counted", 7) == 0;
        answers.failed += status >= 500 && status != 503 && status != 504;
    }
    return answers;
}

/* --- comparison --- */

static bool is_of_process(const char *line, size_t length)
{
    return (length > 5 && memcmp(line, "Date:", 5) == 0) ||
           (length > 8 && memcmp(line, "process_", 8) == 0);
}

bool answers_are_same(const struct buf *one, const struct buf *other)
{
    const char *left = one->length != 0 ? one->bytes : "";
    const char *right = other->length != 0 ? other->bytes : "";
    const char *left_end = left + one->length;
    const char *right_end = right + other->length;

    while (left < left_end && right < right_end) {
        size_t left_length = line_length(left, left_end);
        size_t right_length = line_length(right, right_end);

        if (!(is_of_process(left, left_length) && is_of_process(right, right_length)) &&
            (left_length != right_length || memcmp(left, right, left_length) != 0)) {
            return false;
        }
        left += left_length;
        right += right_length;
    }
    return left == left_end && right == right_end;
}

void answers_run_twice(void (*run)(const char *text, size_t length, uint8_t filling,
                                   struct buf *ret_received),
                       const uint8_t *bytes, size_t length)
{
    struct buf first = BUF_EMPTY;
    struct buf second = BUF_EMPTY;

    run((const char *)bytes, length, 0x00, &first);
    run((const char *)bytes, length, 0xa5, &second);
    check_that(answers_are_same(&first, &second));
    buf_finish(&first);
    buf_finish(&second);
}
