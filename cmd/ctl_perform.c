/* SPDX-License-Identifier: MIT */
#include "ctl_perform.h"

#include <stdio.h>
#include <string.h>

/** Appends the character of "\uXXXX" in JSON; a replacement mark for surrogates. */
static void put_code_point(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_putc(out, code >= 0x20 && code < 0x7f ? (char)code : '?');
    } else if (code < 0x800) {
        buf_printf(out, "%c%c", (int)(0xc0 | code >> 6), (int)(0x80 | (code & 0x3f)));
    } else if (code >= 0xd800 && code < 0xe000) {
        buf_putc(out, '?');
    } else {
        buf_printf(out, "%c%c%c", (int)(0xe0 | code >> 12), (int)(0x80 | (code >> 6 & 0x3f)),
                   (int)(0x80 | (code & 0x3f)));
    }
}

/** Appends the message of {"error":{"code":"…","message":"…"}}. False if there is none. */
static bool put_error_message(struct buf *out, const char *json)
{
    static const char start[] = "\"message\":\"";
    const char *at = strstr(json, start);
    unsigned code;

    if (at == NULL) {
        return false;
    }
    for (at += sizeof(start) - 1; *at != '\0' && *at != '"'; at++) {
        if (*at != '\\') {
            buf_putc(out, *at);
        } else if (at[1] == 'u' && sscanf(at + 2, "%4x", &code) == 1 && strlen(at) >= 6) {
            put_code_point(out, code);
            at += 5;
        } else if (at[1] != '\0') {
            at++;
            buf_putc(out, *at == 'n' ? '\n' : *at == 't' || *at == 'r' ? ' ' : *at);
        }
    }
    return true;
}

void ctl_put_refusal(const struct ctl_answer *answer, bool wants_json, struct buf *out,
                     struct buf *error)
{
    if (!put_error_message(error, answer->body.bytes != NULL ? answer->body.bytes : "")) {
        buf_printf(error, "the daemon answered %d", answer->status);
    }
    if (wants_json) {
        buf_append(out, answer->body.bytes, answer->body.length);
    }
}

enum ctl_exit ctl_perform(const struct ctl_socket *socket, const struct ctl_request *request,
                          struct buf *out, struct buf *error)
{
    struct ctl_answer answer = {0};
    bool is_refused;

    if (!ctl_ask(socket, request, &answer, error)) {
        return CTL_UNREACHABLE;
    }
    is_refused = answer.status >= 300;
    if (is_refused) {
        ctl_put_refusal(&answer, request->wants_json, out, error);
    } else {
        buf_append(out, answer.body.bytes, answer.body.length);
    }
    buf_finish(&answer.body);
    return is_refused ? CTL_REFUSED : CTL_DONE;
}
