/* SPDX-License-Identifier: MIT */
/**
 * ctl_fleet: the status of several instances.
 */
#ifndef VISITCOUNTD_CMD_CTL_FLEET_H
#define VISITCOUNTD_CMD_CTL_FLEET_H

#include "base/buf.h"
#include "ctl_socket.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Asks one instance after the other, each for at most `timeout_ms`, and appends a table with a line
 * for each, also for those that do not answer; or, in JSON, the whole status of each one that does,
 * an object in a line. Unless CTL_DONE is returned, not all have answered well: the first reason is
 * returned, and in JSON a line for each is appended to `error`, which in the table are in theirs.
 */
enum ctl_exit ctl_fleet_status(const struct ctl_sockets *sockets, uint64_t timeout_ms,
                               bool wants_json, struct buf *out, struct buf *error);

#endif
