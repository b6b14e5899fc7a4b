/* SPDX-License-Identifier: MIT */
/**
 * ctl_perform: sends one request to the daemon, and turns its answer into output and exit status.
 */
#ifndef VISITCOUNTD_CMD_CTL_PERFORM_H
#define VISITCOUNTD_CMD_CTL_PERFORM_H

#include "base/buf.h"
#include "ctl_client.h"

/**
 * Sends the request once. Appends a successful answer to `out`; in JSON also a refusal. An answer
 * that should be JSON and is not counts as CTL_UNREACHABLE, and is not appended. If the result is
 * not CTL_DONE, appends a line with the reason to `error`.
 */
enum ctl_exit ctl_perform(const struct ctl_socket *socket, const struct ctl_request *request,
                          struct buf *out, struct buf *error);

/**
 * Appends the message of a refusal to `error`. If the answer has none, appends a line with the
 * socket and the status. With JSON, appends the refusal to `out` as well if it has a message.
 */
void ctl_perform_put_refusal(const struct ctl_socket *socket, const struct ctl_answer *answer,
                             bool wants_json, struct buf *out, struct buf *error);

#endif
