/* SPDX-License-Identifier: MIT */
/**
 * ctl_backup: `visitcountctl backup FILE`: takes the copy of the database that the daemon streams
 * (http/admin_backup.h), and makes it a file. The daemon's sandbox does not matter for that.
 */
#ifndef VISITCOUNTD_CMD_CTL_BACKUP_H
#define VISITCOUNTD_CMD_CTL_BACKUP_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Writes the copy to `path`, which gets its name when it is whole and on the disk. `request` says
 * how to ask; method and target are not looked at. `is_forced`: a file that is there is replaced.
 * What is to be shown is appended to `out`; unless CTL_DONE is returned, a line saying why to
 * `error`.
 */
enum ctl_exit ctl_backup(const struct ctl_socket *socket, const struct ctl_request *request,
                         bool is_forced, const char *path, struct buf *out, struct buf *error);

#endif
