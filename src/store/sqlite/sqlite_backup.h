/* SPDX-License-Identifier: MIT */
/**
 * sqlite_backup: a copy of the database while it is in use, by SQLite's online backup. It is made
 * on the disk thread in small steps, between which visits are counted, of one snapshot: what is
 * committed meanwhile is not in it, and never makes it begin anew.
 *
 * The copy lies beside the database, where this process may write, in a file that loses its name as
 * soon as it is open: whatever happens, nothing of it stays.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_BACKUP_H
#define VISITCOUNTD_STORE_SQLITE_BACKUP_H

#include "loop/disk.h"
#include "store/store.h"

struct sqlite_backup;

/**
 * Begins to copy the database at `path`, which is copied. `*slot` is the backup until its callback,
 * and NULL otherwise; a second one meanwhile is refused.
 */
void sqlite_backup_start(struct sqlite_backup **slot, struct disk *disk, const char *path,
                         store_on_backup on_backup, void *data);

/** Whether a backup, or NULL, was begun with `data`. */
bool sqlite_backup_is_of(const struct sqlite_backup *backup, const void *data);

/** Ends a backup, whose callback is called as refused. NULL is allowed. */
void sqlite_backup_cancel(struct sqlite_backup *backup);

#endif
