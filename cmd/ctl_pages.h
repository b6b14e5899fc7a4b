/* SPDX-License-Identifier: MIT */
/**
 * ctl_pages: `visitcountctl export`: the pages of sites with their numbers, a line each, in as many
 * requests as it takes, each of which has the whole time.
 */
#ifndef VISITCOUNTD_CMD_CTL_PAGES_H
#define VISITCOUNTD_CMD_CTL_PAGES_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Writes the pages of `site`, or of all sites when it is NULL, to standard output, each page once.
 * `request` says how to ask; its target is not looked at. `is_forced`: also of a site that is not
 * counted. Unless CTL_DONE is returned, a line saying why is appended to `error`.
 */
enum ctl_exit ctl_export(const struct ctl_socket *socket, const struct ctl_request *request,
                         bool is_forced, const char *site, struct buf *error);

#endif
