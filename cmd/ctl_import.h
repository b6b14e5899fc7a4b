/* SPDX-License-Identifier: MIT */
/**
 * ctl_import: `visitcountctl import`: sets the pages that a list names, one request for each line
 * and one for each page. The whole list is checked first: when a line is wrong, nothing is set.
 */
#ifndef VISITCOUNTD_CMD_CTL_IMPORT_H
#define VISITCOUNTD_CMD_CTL_IMPORT_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Sets the pages that standard input lists, and writes how many they were. Lines that name one page
 * add up. `request` says how to ask, and each request has its whole time; method and target are not
 * looked at. `is_forced`: also of sites that are not counted. Unless CTL_DONE is returned, lines
 * saying why are appended to `error`.
 */
enum ctl_exit ctl_import(const struct ctl_socket *socket, const struct ctl_request *request,
                         bool is_forced, struct buf *error);

#endif
