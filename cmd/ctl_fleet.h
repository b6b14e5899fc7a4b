/* SPDX-License-Identifier: MIT */
/**
 * ctl_fleet: shows the status of several instances.
 */
#ifndef VISITCOUNTD_CMD_CTL_FLEET_H
#define VISITCOUNTD_CMD_CTL_FLEET_H

#include "base/buf.h"
#include "ctl_socket.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Asks the instances one after the other, each for at most `timeout_ms`. Appends a table to `out`
 * with a line for each instance, also for one that does not answer. In JSON appends the whole
 * status of each instance that answers, one object per line. Returns CTL_DONE if all answered, else
 * the first failure. The table shows the reasons; in JSON, appends a line for each failure to
 * `error`.
 */
enum ctl_exit ctl_fleet_status(const struct ctl_sockets *sockets, uint64_t timeout_ms,
                               bool wants_json, struct buf *out, struct buf *error);

#endif
