/* SPDX-License-Identifier: MIT */
/**
 * ctl_pages: `visitcountctl export`. Writes a line for each page of a site, with its number. It
 * sends several requests; each one has the full timeout.
 */
#ifndef VISITCOUNTD_CMD_CTL_PAGES_H
#define VISITCOUNTD_CMD_CTL_PAGES_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Writes the pages of `site` to standard output, or those of all sites if it is NULL. Writes each
 * page once. Ignores the target of `request`. `is_forced` accepts a site that is not counted. If
 * the result is not CTL_DONE, appends a line with the reason to `error`.
 */
enum ctl_exit ctl_pages_export(const struct ctl_socket *socket, const struct ctl_request *request,
                               bool is_forced, const char *site, struct buf *error);

#endif
