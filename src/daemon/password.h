/* SPDX-License-Identifier: MIT */
/**
 * password: reads the file of a password again while the daemon runs, on a thread of its own, since
 * the file may be on a disk or network that hangs.
 */
#ifndef VISITCOUNTD_DAEMON_PASSWORD_H
#define VISITCOUNTD_DAEMON_PASSWORD_H

#include "base/buf.h"
#include "loop/disk.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct password {
    struct loop *loop;
    struct disk *disk; /* NULL until the first time */
    struct disk_job job;
    bool is_reading;
    char *path;
    struct buf text;
    const char *problem;   /* with the file; NULL: none */
    uint64_t warned_at_ms; /* of a problem; 0: never */
    void (*on_read)(void *data, const char *password);
    void *data;
};

/** Prepares it; `on_read` gets what stands in the file, in the loop. */
void password_init(struct password *password, struct loop *loop,
                   void (*on_read)(void *data, const char *password), void *data);

/** Waits for what is being read. */
void password_finish(struct password *password);

/** Begins to read the file at `path`, unless one is being read. A file that cannot is logged. */
void password_read(struct password *password, const char *path);

#endif
