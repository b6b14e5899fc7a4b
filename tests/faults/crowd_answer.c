/* SPDX-License-Identifier: MIT */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OTHERS_MAX 5

static int others;

static bool has_code(const char *body, const char *code)
{
    char text[64];

    snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
    return strstr(body, text) != NULL;
}

/* the code of a definite refusal, or NULL; the code alone is not definite behind nginx */
static const char *find_refusal(const char *outcome, const char *body)
{
    static const char *const codes[] = {"store_unavailable", "overloaded", "shutting_down",
                                        "journal_full", "too_many_idempotency_keys"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strncmp(outcome, " refused;", 9) == 0 && has_code(body, codes[i])) {
            return codes[i];
        }
    }
    return NULL;
}

static bool is_unknown(int status, const char *outcome, const char *body)
{
    return status == 502 || (status == 503 && strncmp(outcome, " unknown;", 9) == 0) ||
           (status == 504 && (has_code(body, "outcome_unknown") || has_code(body, "no_answer")));
}

void answer_note_other(const char *answer)
{
    if (others++ < OTHERS_MAX) {
        printf("other ");
        for (; *answer != '\0'; answer++) {
            putchar(*answer < ' ' ? '|' : *answer);
        }
        putchar('\n');
    }
}

/* returns whether the next visit may follow at once */
static bool note_answer(struct visitor *visitor, const char *answer, const char *outcome,
                        const char *body)
{
    int status = atoi(answer + 9);
    const char *count = strstr(body, "\"count\":");
    const char *refusal = find_refusal(outcome, body);

    if ((status == 200 || status == 202) && count != NULL) {
        book_counted(visitor, strtoull(count + 8, NULL, 10),
                     strstr(body, "\"status\":\"duplicate\"") != NULL, status == 202);
        return true;
    }
    if ((status == 503 || status == 429) && refusal != NULL) {
        book_refused(visitor, refusal);
    } else if (is_unknown(status, outcome, body)) {
        book_doubtful(visitor);
    } else {
        answer_note_other(answer);
        book_doubtful(visitor);
    }
    return false;
}

static const char *find_header(const char *head, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0) {
            return line + 2 + length;
        }
    }
    return NULL;
}

/*
 * An answer that nginx has rewritten has chunks instead of a length. Returns SIZE_MAX until the
 * last chunk is there.
 */
static size_t find_length(const char *length_text, const char *body)
{
    static const char last[] = "\r\n0\r\n\r\n";
    const char *end;

    if (length_text != NULL) {
        return strtoul(length_text, NULL, 10);
    }
    end = strstr(body, last);
    return end != NULL ? (size_t)(end - body) + strlen(last) : SIZE_MAX;
}

bool answer_take(struct visitor *visitor, bool *ret_closes, bool *ret_goes_on)
{
    char *end = strstr(visitor->received, "\r\n\r\n");
    const char *length_text, *connection, *outcome;
    size_t body_length;
    bool closes;

    if (end == NULL) {
        return false;
    }
    end[2] = '\0';
    length_text = find_header(visitor->received, "content-length:");
    connection = find_header(visitor->received, "connection:");
    outcome = find_header(visitor->received, "visitcount-status:");
    body_length = find_length(length_text, end + 4);
    closes = connection != NULL && strncasecmp(connection, " close", 6) == 0;
    end[2] = '\r';
    if (visitor->length - (size_t)(end + 4 - visitor->received) < body_length) {
        return false;
    }
    visitor->length = 0;
    book_wait(visitor, visitor->received);
    *ret_closes = closes;
    *ret_goes_on = note_answer(visitor, visitor->received, outcome != NULL ? outcome : "", end + 4);
    return true;
}
