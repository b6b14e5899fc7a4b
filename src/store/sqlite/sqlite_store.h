/* SPDX-License-Identifier: MIT */
/**
 * sqlite_store: the embedded store, for one machine without a database server. It uses WAL and
 * synchronous=FULL, so an answered batch is on the disk. All SQL runs on the disk thread. Batches
 * that arrive meanwhile share the next transaction.
 */
#ifndef VISITCOUNTD_STORE_SQLITE_STORE_H
#define VISITCOUNTD_STORE_SQLITE_STORE_H

#include "loop/disk.h"
#include "loop/loop.h"
#include "store/sqlite/sqlite_types.h"
#include "store/store.h"

/**
 * Creates a store. The disk thread opens the file; listeners of store_listen() then learn that the
 * store is available. If the file cannot be opened (permissions, no database, disk full), the store
 * retries with back-off and health reports the reason. `options` is copied.
 */
struct store *sqlite_store_create(struct loop *loop, struct disk *disk,
                                  const struct sqlite_store_options *options);

/** Returns the version of SQLite. */
const char *sqlite_store_library_version(void);

#endif
