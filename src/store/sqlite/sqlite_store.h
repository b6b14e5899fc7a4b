/* SPDX-License-Identifier: MIT */
/**
 * sqlite_store: the embedded store, for one machine without any server. WAL, synchronous=FULL: an
 * answered batch is on the disk. All SQL runs on the disk thread; batches that wait meanwhile share
 * the next transaction.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_STORE_H
#define VISITCOUNTD_STORE_SQLITE_STORE_H

#include "loop/disk.h"
#include "loop/loop.h"
#include "store/sqlite/sqlite_types.h"
#include "store/store.h"

/**
 * A new store. The file is opened on the disk thread: `available` is reported through
 * store_listen(). When it cannot be opened (permissions, no database, disk full) it is tried again
 * with backoff and health says why. `options` is copied.
 */
struct store *sqlite_store_create(struct loop *loop, struct disk *disk,
                                  const struct sqlite_store_options *options);

/** The version of SQLite. */
const char *sqlite_store_library_version(void);

#endif
