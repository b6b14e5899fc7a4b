/* SPDX-License-Identifier: MIT */
/**
 * full_store: a fake_store (see there) that also takes the calls that only the server's routes
 * make: lists, series, edits, repairs, sites and salts. Their answers are made up, the same ones
 * each time, and have names that are hard to show.
 */
#ifndef VISITCOUNTD_TESTS_FULL_STORE_H
#define VISITCOUNTD_TESTS_FULL_STORE_H

#include "loop/loop.h"
#include "support/fake_store.h"

#include <stdbool.h>
#include <stddef.h>

/** A new store on `database`, which is there. store_destroy(&full_store_fake(…)->store) frees it.
 */
struct fake_store *full_store_create(struct loop *loop, struct fake_database *database);

/** How calls end from now on. They are answered at the end of the turn in which they were made. */
void full_store_set_fate(struct fake_store *fake, enum fake_fate fate);

/** Whether a call is open. */
bool full_store_is_busy(const struct fake_store *fake);

#endif
