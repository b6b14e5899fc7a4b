/* SPDX-License-Identifier: MIT */
/**
 * admin_lists: the routes of the admin socket that show pages, sites and their history.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_LISTS_H
#define VISITCOUNTD_HTTP_ADMIN_LISTS_H

#include "http/request/request.h"

void admin_handle_top(struct request *request);
void admin_handle_series(struct request *request);
void admin_handle_sites(struct request *request);

/**
 * Exports pages. Without a site it lists the sites, one per line. With a site it returns one piece:
 * a line "next\tCURSOR", then the pages. CURSOR is the parameter `after` for the next piece; it is
 * empty in the last piece.
 */
void admin_handle_export(struct request *request);

#endif
