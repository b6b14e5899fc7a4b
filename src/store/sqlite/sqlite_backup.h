/* SPDX-License-Identifier: MIT */
/**
 * sqlite_backup: copies the database while it is in use, with SQLite's online backup. The copy runs
 * on the disk thread in small steps; visits are counted between them. It copies one snapshot, so
 * later commits are not in it and never restart it.
 *
 * The copy is in the directory of the database, where this process may write. Its file is unlinked
 * right after opening, so no failure leaves it behind.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_BACKUP_H
#define VISITCOUNTD_STORE_SQLITE_BACKUP_H

#include "loop/disk.h"
#include "store/store.h"

struct sqlite_backup;

/**
 * Starts to copy the database at `path`; the string is copied. `*slot` points to the backup until
 * its callback runs, and is NULL otherwise. If a backup runs already, the new one ends as
 * STORE_REFUSED.
 */
void sqlite_backup_start(struct sqlite_backup **slot, struct disk *disk, const char *path,
                         store_on_backup on_backup, void *data);

/** Returns whether `backup` was started with `data`. `backup` may be NULL. */
bool sqlite_backup_is_of(const struct sqlite_backup *backup, const void *data);

/** Ends a backup; its callback gets STORE_REFUSED. NULL is allowed. */
void sqlite_backup_cancel(struct sqlite_backup *backup);

#endif
