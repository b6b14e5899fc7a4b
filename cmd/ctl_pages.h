/* SPDX-License-Identifier: MIT */
/**
 * ctl_pages: `visitcountctl export` and `import`: the pages of sites with their numbers, a line
 * each, in as many requests as it takes, each of which has the whole time.
 */
#ifndef VISITCOUNTD_CMD_CTL_PAGES_H
#define VISITCOUNTD_CMD_CTL_PAGES_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Writes the pages of `site`, or of all sites when it is NULL, to standard output. Unless CTL_DONE
 * is returned, a line saying why is appended to `error`.
 */
enum ctl_exit ctl_export(const struct ctl_socket *socket, uint64_t timeout_ms, bool wants_json,
                         const char *site, struct buf *error);

/** Sets the pages that stand on standard input, and writes how many; likewise. */
enum ctl_exit ctl_import(const struct ctl_socket *socket, uint64_t timeout_ms, bool wants_json,
                         struct buf *error);

#endif
