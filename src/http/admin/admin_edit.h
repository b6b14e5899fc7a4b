/* SPDX-License-Identifier: MIT */
/**
 * admin_edit: the routes of the admin socket that change the pages in the store.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_EDIT_H
#define VISITCOUNTD_HTTP_ADMIN_EDIT_H

#include "http/request/request.h"

void admin_handle_set(struct request *request);
void admin_handle_add(struct request *request);
void admin_handle_delete(struct request *request);
void admin_handle_rename(struct request *request);

#endif
