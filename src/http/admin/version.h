/* SPDX-License-Identifier: MIT */
/**
 * version: the versions of the program and its libraries, for --version and the admin socket.
 */
#ifndef VISITCOUNTD_HTTP_VERSION_H
#define VISITCOUNTD_HTTP_VERSION_H

#include "base/buf.h"
#include "base/report.h"

/** Adds one fact per component: "visitcountd", "libh2o", "hiredis", "libconfig", "sqlite", … */
void version_report(struct report *report);

/** Appends the same, one component per line. */
void version_print(struct buf *out);

#endif
