/* SPDX-License-Identifier: MIT */
/**
 * version: of the program and of the libraries that it runs on, for --version and for the admin
 * socket.
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
