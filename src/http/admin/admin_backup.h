/* SPDX-License-Identifier: MIT */
/**
 * admin_backup: `POST /backup` of the admin socket: a copy of the store, streamed to whoever asks,
 * who may write where the daemon may not.
 *
 * The answer is lines and then the copy: "copying" once a second while it is made, "bytes N", and N
 * bytes; or "error MESSAGE" when it fails after the first line. What fails earlier is an error as
 * any other.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_BACKUP_H
#define VISITCOUNTD_HTTP_ADMIN_BACKUP_H

#include "http/request/request.h"

void admin_handle_backup(struct request *request);

#endif
