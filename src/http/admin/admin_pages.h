/* SPDX-License-Identifier: MIT */
/**
 * admin_pages: the routes of the admin socket that show and change what the store keeps of pages.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_PAGES_H
#define VISITCOUNTD_HTTP_ADMIN_PAGES_H

#include "http/request/request.h"

void admin_handle_set(struct request *request);
void admin_handle_add(struct request *request);
void admin_handle_delete(struct request *request);
void admin_handle_rename(struct request *request);
void admin_handle_top(struct request *request);
void admin_handle_series(struct request *request);
void admin_handle_sites(struct request *request);

/**
 * Without a site: the sites, a line each. Otherwise one piece of it: a line "next\tCURSOR", empty
 * at the end, then the pages. CURSOR is the parameter `after` of the request for the next piece.
 */
void admin_handle_export(struct request *request);

#endif
