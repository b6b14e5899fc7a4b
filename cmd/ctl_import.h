/* SPDX-License-Identifier: MIT */
/**
 * ctl_import: `visitcountctl import`. Sets the pages of a list. First checks the whole list, with
 * one request per line. If all lines are right, sets the pages with one request per page.
 */
#ifndef VISITCOUNTD_CMD_CTL_IMPORT_H
#define VISITCOUNTD_CMD_CTL_IMPORT_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Sets the pages that standard input lists, and prints their number. Lines of the same page add up.
 * The timeout of `request` holds for each request; its method and target are ignored. `is_forced`
 * accepts sites that are not counted. If the result is not CTL_DONE, appends the reasons to
 * `error`.
 */
enum ctl_exit ctl_import(const struct ctl_socket *socket, const struct ctl_request *request,
                         bool is_forced, struct buf *error);

#endif
