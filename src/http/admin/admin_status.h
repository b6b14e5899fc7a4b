/* SPDX-License-Identifier: MIT */
/**
 * admin_status: writes the status of an instance for `visitcountctl status`.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_STATUS_H
#define VISITCOUNTD_HTTP_ADMIN_STATUS_H

#include "base/report.h"
#include "http/admin/app_view.h"

/** Writes the whole status. All numbers are of one turn of the loop. */
void admin_status_report(struct report *report, const struct app_view *view);

/** Writes the main facts of the status: one row in visitcountctl's table of instances. */
void admin_status_summary(struct report *report, const struct app_view *view);

#endif
