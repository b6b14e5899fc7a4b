/* SPDX-License-Identifier: MIT */
/**
 * sim_files: the one directory on an instance's disk, for the code of the journal. The linker binds
 * the system calls of the journal to this module (ld --wrap).
 *
 * Written bytes can be read at once. They are on the disk after a successful fsync. A crash of the
 * process loses nothing. A crash of the machine loses some or all bytes that were not on the disk.
 * A file keeps some of the appended bytes, perhaps with zeros behind them. A name that was created
 * or removed without a fsync of the directory may be there or not.
 *
 * After a failed fsync, a later successful one does not write the lost bytes: they stay off the
 * disk while the process lives, as on Linux. The next process either reads zeros in their place or
 * can write them again.
 */
#ifndef VISITCOUNTD_TESTS_SIM_FILES_H
#define VISITCOUNTD_TESTS_SIM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_files;

/** How bad the disk is. The chances of a failure are per mille, for each kind of call. */
struct sim_files_weather {
    unsigned write_fails; /* EIO, perhaps after a part was written */
    unsigned sync_fails;
    unsigned other_fails; /* of creating, removing or truncating a file */
    uint64_t room_bytes;  /* more than that is ENOSPC */
};

/** Creates an empty directory on a good disk. `number` is the instance's number, for the log. */
struct sim_files *sim_files_create(size_t number);

/** NULL is allowed. */
void sim_files_destroy(struct sim_files *files);

/** Selects the directory of the instance whose code runs from here on. */
void sim_files_use(struct sim_files *files);

void sim_files_set_weather(struct sim_files *files, const struct sim_files_weather *weather);

/**
 * The owner dies after `calls` further system calls. The calls after them fail and change nothing.
 */
void sim_files_die_after(struct sim_files *files, unsigned calls);

/** Cancels sim_files_die_after(). */
void sim_files_live_on(struct sim_files *files);

/** Whether the owner died because of sim_files_die_after(). */
bool sim_files_is_dead(const struct sim_files *files);

/**
 * The owner is gone. If the whole machine crashed, what was not on its disk is lost. The next owner
 * may start.
 */
void sim_files_crash(struct sim_files *files, bool of_machine);

/** The number of files, without those of records that were set aside. */
size_t sim_files_count(const struct sim_files *files);

#endif
