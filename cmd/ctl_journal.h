/* SPDX-License-Identifier: MIT */
/**
 * ctl_journal: `visitcountctl journal show`, `aside` and `verify`, which read a journal's directory
 * themselves: a damaged journal keeps the daemon from starting.
 */
#ifndef VISITCOUNTD_CMD_CTL_JOURNAL_H
#define VISITCOUNTD_CMD_CTL_JOURNAL_H

#include "base/buf.h"
#include "ctl_client.h"

#include <stdbool.h>

/**
 * Appends the good records to `out`, as a table or as JSON, and a line for each damage to `error`,
 * in JSON to `out` as well. CTL_DONE, CTL_REFUSED when there is damage, or CTL_UNREACHABLE when the
 * directory cannot be read.
 */
enum ctl_exit ctl_journal_show(const char *directory, bool wants_json, struct buf *out,
                               struct buf *error);

/**
 * The same of the records that were set aside, a line or an object for each page, with how many
 * visits it has in which hour.
 */
enum ctl_exit ctl_journal_aside(const char *directory, bool wants_json, struct buf *out,
                                struct buf *error);

/** Appends a line FILE:OFFSET for each damage and one that sums up to `out`; likewise. */
enum ctl_exit ctl_journal_verify(const char *directory, bool wants_json, struct buf *out,
                                 struct buf *error);

#endif
