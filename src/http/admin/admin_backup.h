/* SPDX-License-Identifier: MIT */
/**
 * admin_backup: the route `POST /backup` of the admin socket. It streams a copy of the store to the
 * client, because the client may write to directories where the daemon may not.
 *
 * The answer has two parts: lines, then the copy. The line "copying" is sent once a second while
 * the copy is made. Then come "bytes N" and the N bytes. A failure after the first line is sent as
 * the line "error MESSAGE". An earlier failure is answered like any other error.
 */
#ifndef VISITCOUNTD_HTTP_ADMIN_BACKUP_H
#define VISITCOUNTD_HTTP_ADMIN_BACKUP_H

#include "http/request/request.h"

void admin_handle_backup(struct request *request);

#endif
