/* SPDX-License-Identifier: MIT */
#include "ctl_perform.h"

#include "ctl_json.h"

void ctl_perform_put_refusal(const struct ctl_socket *socket, const struct ctl_answer *answer,
                             bool wants_json, struct buf *out, struct buf *error)
{
    const struct buf *body = &answer->body;

    if (!ctl_json_put_error(error, body->bytes, body->length)) {
        buf_printf(error,
                   "%s: HTTP status %d without a readable reason: expected {\"error\":{\"message\":"
                   "\"...\"}}; is it another program or another version of visitcountd?",
                   socket->path, answer->status);
    } else if (wants_json) {
        buf_append(out, body->bytes, body->length);
    }
}

/** Appends a successful answer. In JSON, it must be valid; only ping has an empty one. */
static enum ctl_exit put_answer(const struct ctl_socket *socket, const struct ctl_request *request,
                                const struct buf *body, struct buf *out, struct buf *error)
{
    if (request->wants_json && !request->is_plain && body->length != 0 &&
        !ctl_json_is_valid(body->bytes, body->length)) {
        buf_printf(error,
                   "%s: expected JSON, got %zu bytes that are not JSON; is it another program or "
                   "another version of visitcountd?",
                   socket->path, body->length);
        return CTL_UNREACHABLE;
    }
    buf_append(out, body->bytes, body->length);
    return CTL_DONE;
}

enum ctl_exit ctl_perform(const struct ctl_socket *socket, const struct ctl_request *request,
                          struct buf *out, struct buf *error)
{
    struct ctl_answer answer = {0};
    enum ctl_exit result = CTL_REFUSED;

    if (!ctl_client_ask(socket, request, &answer, error)) {
        return CTL_UNREACHABLE;
    }
    if (answer.status >= 300) {
        ctl_perform_put_refusal(socket, &answer, request->wants_json, out, error);
    } else {
        result = put_answer(socket, request, &answer.body, out, error);
    }
    buf_finish(&answer.body);
    return result;
}
