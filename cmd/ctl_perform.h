/* SPDX-License-Identifier: MIT */
/**
 * ctl_perform: one request to the daemon, and what its answer means for a command.
 */
#ifndef VISITCOUNTD_CMD_CTL_PERFORM_H
#define VISITCOUNTD_CMD_CTL_PERFORM_H

#include "base/buf.h"
#include "ctl_client.h"

/**
 * Asks once. The answer is appended to `out`; when it is a refusal, in JSON also that one. Unless
 * CTL_DONE is returned, a line saying why is appended to `error`.
 */
enum ctl_exit ctl_perform(const struct ctl_socket *socket, const struct ctl_request *request,
                          struct buf *out, struct buf *error);

/** Appends the message of a refusal to `error`, and the refusal itself to `out` in JSON. */
void ctl_put_refusal(const struct ctl_answer *answer, bool wants_json, struct buf *out,
                     struct buf *error);

#endif
