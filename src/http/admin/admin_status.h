/* SPDX-License-Identifier: MIT */
/**
 * admin_status: all that `visitcountctl status` shows of an instance.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_STATUS_H
#define VISITCOUNTD_HTTP_ADMIN_STATUS_H

#include "base/report.h"
#include "http/admin/app_view.h"

/** Writes the whole status, at one moment of the loop. */
void admin_status_report(struct report *report, const struct app_view *view);

/** Writes what an operator looks at first: one line of a table of instances. */
void admin_status_summary(struct report *report, const struct app_view *view);

#endif
