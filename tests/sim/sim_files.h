/* SPDX-License-Identifier: MIT */
/**
 * sim_files: the one directory on an instance's disk, for the code of the journal. The calls to the
 * system that the journal makes are bound to this module when the simulator is linked (ld --wrap).
 *
 * What is written is seen at once, and is on the disk after a fsync that succeeded. A crash of the
 * process loses nothing of it. A crash of the machine loses what was not on the disk, or a part of
 * it: a file keeps some of the bytes that were appended, perhaps with zeros behind; a name that was
 * made or removed without a fsync of the directory is there or not.
 *
 * A fsync that failed is not made good by the next one that succeeds: as long as the process lives,
 * the bytes that were to be written are not on the disk, as Linux has it. The next process reads
 * zeros in their place, or has them to write once more.
 */
#ifndef VISITCOUNTD_TESTS_SIM_FILES_H
#define VISITCOUNTD_TESTS_SIM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_files;

/** How bad the disk is: chances per mille of a failure of each kind of call. */
struct sim_files_weather {
    unsigned write_fails; /* EIO, with or without a part of it written */
    unsigned sync_fails;
    unsigned other_fails; /* of making, removing, truncating a file */
    uint64_t room_bytes;  /* beyond which ENOSPC */
};

/** An empty directory on a good disk; `number` is the instance's, for the log. */
struct sim_files *sim_files_create(size_t number);

/** NULL is allowed. */
void sim_files_destroy(struct sim_files *files);

/** Sets which directory a path names from here on: that of the instance whose code runs. */
void sim_files_use(struct sim_files *files);

void sim_files_set_weather(struct sim_files *files, const struct sim_files_weather *weather);

/**
 * The owner dies before the call `calls` from now, 0 being the next: that one and all later ones
 * fail and change nothing.
 */
void sim_files_die_after(struct sim_files *files, unsigned calls);

/** It does not. */
void sim_files_live_on(struct sim_files *files);

/** Whether the owner died of that. */
bool sim_files_is_dead(const struct sim_files *files);

/** The owner is gone, in whatever way, and with a machine what was not on its disk: the next one
 * may come. */
void sim_files_crash(struct sim_files *files, bool of_machine);

/** How many files there are, without those of records that were set aside. */
size_t sim_files_count(const struct sim_files *files);

#endif
