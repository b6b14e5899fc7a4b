/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_backup.h"

#include "base/require.h"

#include "base/alloc.h"
#include "store/sqlite/sqlite_file_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* a step takes less than a millisecond, so it delays visits only slightly */
#define PAGES_PER_STEP 128

#define BUSY_TIMEOUT_MS 2000

/* free space that a copy must leave for the database itself */
#define ROOM_LEFT_BYTES (4 * 1024 * 1024)

#define PIECE_BYTES 65536

/*
 * While its job is in flight, the disk thread owns all members but `is_given_up`, which the loop
 * owns.
 */
struct sqlite_backup {
    struct store_copy copy; /* valid once the copy is complete */
    struct sqlite_backup **slot;
    struct disk *disk;
    struct disk_job job;
    char *path;
    bool is_second; /* another backup is running */
    bool is_given_up;
    sqlite3 *source; /* in one read transaction from the first step to the last */
    sqlite3 *target;
    sqlite3_backup *steps;
    int fd; /* of the copy */
    bool is_made;
    bool has_failed;
    char error[256];
    store_on_backup on_backup;
    void *data;

    bool is_reading;
    uint64_t offset;
    ssize_t count;
    store_on_copy_read on_read;
    void *read_data;
    char piece[PIECE_BYTES];
};

/* --- on the disk thread --- */

static void fail(struct sqlite_backup *backup, const char *what, const char *why)
{
    if (!backup->has_failed) {
        snprintf(backup->error, sizeof(backup->error), "backup: %s: %s", what, why);
    }
    backup->has_failed = true;
}

static bool execute(struct sqlite_backup *backup, sqlite3 *db, const char *sql, const char *what)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail(backup, what, sqlite3_errmsg(db));
    }
    return !backup->has_failed;
}

static void close_databases(struct sqlite_backup *backup)
{
    sqlite3_backup_finish(backup->steps);
    sqlite3_close(backup->target);
    sqlite3_close(backup->source);
    backup->steps = NULL;
    backup->target = NULL;
    backup->source = NULL;
}

/* opens a separate connection, whose read transaction holds the snapshot */
static bool open_source(struct sqlite_backup *backup)
{
    if (sqlite3_open_v2(backup->path, &backup->source, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        fail(backup, "open", sqlite3_errmsg(backup->source));
        return false;
    }
    sqlite3_busy_timeout(backup->source, BUSY_TIMEOUT_MS);
    return execute(backup, backup->source, "BEGIN; SELECT count(*) FROM sqlite_master", "begin");
}

static uint64_t read_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    uint64_t number = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        number = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return number;
}

/* a copy that fills up the disk would block all visits */
static bool check_room(struct sqlite_backup *backup)
{
    uint64_t needed = read_number(backup->source, "PRAGMA page_count") *
                      read_number(backup->source, "PRAGMA page_size");
    struct statvfs disk;
    uint64_t room;
    char why[128];

    needed += needed / 8 + ROOM_LEFT_BYTES;
    if (statvfs(backup->path, &disk) != 0) {
        fail(backup, "look for room", strerror(errno));
        return false;
    }
    room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room < needed) {
        snprintf(why, sizeof(why),
                 "%" PRIu64 " bytes are needed beside the database, %" PRIu64 " are free", needed,
                 room);
        fail(backup, "no room", why);
    }
    return room >= needed;
}

static bool open_target(struct sqlite_backup *backup)
{
    char path[PATH_MAX];
    uint32_t random = 0;
    int rc;

    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    snprintf(path, sizeof(path), "%s-backup-%d-%08x", backup->path, (int)getpid(), random);
    backup->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (backup->fd < 0) {
        fail(backup, "make a file beside the database", strerror(errno));
        return false;
    }
    rc = sqlite3_open_v2(path, &backup->target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    unlink(path);
    if (rc != SQLITE_OK) {
        fail(backup, "open a file beside the database", sqlite3_errmsg(backup->target));
        return false;
    }
    /* the copy need not survive a crash; the caller makes its own file durable */
    return execute(backup, backup->target, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF",
                   "open");
}

static void begin(struct sqlite_backup *backup)
{
    if (!open_source(backup) || !check_room(backup) || !open_target(backup)) {
        return;
    }
    backup->steps = sqlite3_backup_init(backup->target, "main", backup->source, "main");
    if (backup->steps == NULL) {
        fail(backup, "begin", sqlite3_errmsg(backup->target));
    }
}

/* ends the copy after the last step */
static void end(struct sqlite_backup *backup)
{
    off_t length;

    close_databases(backup);
    length = lseek(backup->fd, 0, SEEK_END);
    if (length <= 0) {
        fail(backup, "measure", length < 0 ? strerror(errno) : "the copy is empty");
        return;
    }
    backup->copy.bytes = (uint64_t)length;
    backup->is_made = true;
}

static void step(struct sqlite_backup *backup)
{
    int rc = sqlite3_backup_step(backup->steps, PAGES_PER_STEP);

    if (rc == SQLITE_DONE) {
        end(backup);
    } else if (rc != SQLITE_OK && rc != SQLITE_BUSY && rc != SQLITE_LOCKED) {
        fail(backup, "copy", sqlite3_errstr(rc));
    }
}

static void read_piece(struct sqlite_backup *backup)
{
    do {
        backup->count =
            pread(backup->fd, backup->piece, sizeof(backup->piece), (off_t)backup->offset);
    } while (backup->count < 0 && errno == EINTR);
}

static void work(struct disk_job *job)
{
    struct sqlite_backup *backup = container_of(job, struct sqlite_backup, job);

    if (backup->is_second) {
        fail(backup, "refused", "another one is being made");
    } else if (backup->is_made) {
        read_piece(backup);
    } else if (backup->steps == NULL) {
        begin(backup);
    } else {
        step(backup);
    }
    if (backup->has_failed) {
        close_databases(backup);
    }
}

/* --- in the loop --- */

static void destroy(struct sqlite_backup *backup)
{
    close_databases(backup);
    if (backup->fd >= 0) {
        close(backup->fd);
    }
    free(backup->path);
    free(backup);
}

static void let_slot_go(struct sqlite_backup *backup)
{
    if (backup->slot != NULL && *backup->slot == backup) {
        *backup->slot = NULL;
    }
    backup->slot = NULL;
}

static void on_read_done(struct sqlite_backup *backup)
{
    backup->is_reading = false;
    backup->on_read(backup->read_data, backup->count > 0 ? backup->piece : NULL,
                    backup->count > 0 ? (size_t)backup->count : 0);
}

static void on_work_done(struct disk_job *job)
{
    struct sqlite_backup *backup = container_of(job, struct sqlite_backup, job);

    if (backup->is_given_up) {
        destroy(backup);
    } else if (backup->is_reading) {
        on_read_done(backup);
    } else if (backup->is_made) {
        let_slot_go(backup);
        backup->on_backup(backup->data, &(struct store_backup){STORE_OK, &backup->copy, NULL});
    } else if (backup->has_failed) {
        let_slot_go(backup);
        backup->on_backup(backup->data, &(struct store_backup){STORE_REFUSED, NULL, backup->error});
        destroy(backup);
    } else {
        disk_submit(backup->disk, &backup->job);
    }
}

static void read_copy(struct store_copy *copy, uint64_t offset, store_on_copy_read on_read,
                      void *data)
{
    struct sqlite_backup *backup = container_of(copy, struct sqlite_backup, copy);

    backup->is_reading = true;
    backup->offset = offset;
    backup->on_read = on_read;
    backup->read_data = data;
    disk_submit(backup->disk, &backup->job);
}

static void destroy_copy(struct store_copy *copy)
{
    struct sqlite_backup *backup = container_of(copy, struct sqlite_backup, copy);

    if (backup->is_reading) {
        backup->is_given_up = true;
    } else {
        destroy(backup);
    }
}

void sqlite_backup_start(struct sqlite_backup **slot, struct disk *disk, const char *path,
                         store_on_backup on_backup, void *data)
{
    struct sqlite_backup *backup = alloc_zero(1, sizeof(*backup));

    require(path[0] != '\0' && on_backup != NULL);
    backup->path = alloc_text(path);
    backup->copy.read = read_copy;
    backup->copy.destroy = destroy_copy;
    backup->disk = disk;
    backup->job = (struct disk_job){.work = work, .done = on_work_done};
    backup->fd = -1;
    backup->on_backup = on_backup;
    backup->data = data;
    backup->is_second = *slot != NULL;
    if (!backup->is_second) {
        *slot = backup;
        backup->slot = slot;
    }
    disk_submit(disk, &backup->job);
}

bool sqlite_backup_is_of(const struct sqlite_backup *backup, const void *data)
{
    return backup != NULL && backup->data == data;
}

void sqlite_backup_cancel(struct sqlite_backup *backup)
{
    if (backup == NULL) {
        return;
    }
    let_slot_go(backup);
    backup->is_given_up = true;
    backup->on_backup(backup->data,
                      &(struct store_backup){STORE_REFUSED, NULL, "the store is closed"});
}
