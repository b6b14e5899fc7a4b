/* SPDX-License-Identifier: MIT */
/**
 * ctl_backup: `visitcountctl backup FILE`. Receives the copy of the database that the daemon
 * streams (http/admin_backup.h), and writes the file. The file may therefore be outside the
 * daemon's sandbox.
 */
#ifndef VISITCOUNTD_CMD_CTL_BACKUP_H
#define VISITCOUNTD_CMD_CTL_BACKUP_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Writes the copy to `path`. The file gets this name when it is complete and on the disk. Ignores
 * the method and target of `request`. `is_forced` replaces an existing file. Appends the output to
 * `out`. If the result is not CTL_DONE, appends a line with the reason to `error`.
 */
enum ctl_exit ctl_backup(const struct ctl_socket *socket, const struct ctl_request *request,
                         bool is_forced, const char *path, struct buf *out, struct buf *error);

#endif
