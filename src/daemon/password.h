/* SPDX-License-Identifier: MIT */
/**
 * password: reads a password file again while the daemon runs. It uses a thread of its own, because
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
    struct disk *disk; /* NULL until the first read */
    struct disk_job job;
    bool is_reading;
    char *path;
    struct buf text;
    const char *problem;   /* error of the last read, or NULL */
    uint64_t warned_at_ms; /* time of the last warning; 0: none */
    void (*on_read)(void *data, const char *password);
    void *data;
};

/** Initialises `password`. The loop calls `on_read` with the password after each successful read.
 */
void password_init(struct password *password, struct loop *loop,
                   void (*on_read)(void *data, const char *password), void *data);

/** Blocks until a running read ends, and frees the members. */
void password_finish(struct password *password);

/** Starts to read the file at `path`, unless a read is running. Logs an error of the read. */
void password_read(struct password *password, const char *path);

#endif
