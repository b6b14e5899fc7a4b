/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "store/sqlite/sqlite_file.h"

#include "store/sqlite/sqlite_file_inside.h"

#include "base/clock.h"

#include <errno.h>

/* this many days with visits prove a clock that is far from the known time */
#define DAYS_AS_PROOF 3

/* a day so many days ahead has not begun in any time zone; includes one for clocks that differ */
#define DAYS_AHEAD 2

/* deletes some rows with statement `which`, up to `limit`; adds their number to `*dropped` */
static int sweep(struct sqlite_file *file, enum statement which, uint64_t limit, int *dropped)
{
    sqlite_file_bind_u64(file->statements[which], 1, limit);
    if (sqlite_file_run(file, which, "sweep") != 0) {
        return -EIO;
    }
    if (sqlite3_changes(file->db) != 0) {
        file->has_erased = true;
    }
    *dropped += sqlite3_changes(file->db);
    return 0;
}

/* --- the proven clock --- */

/* finds the newest day before `before` with numbers; returns 1, 0 if there is none, or -EIO */
static int find_day(struct sqlite_file *file, uint64_t before, uint64_t *ret_day)
{
    int64_t day;
    int found;

    sqlite_file_bind_u64(file->statements[DAY_BEFORE], 1, before);
    found = sqlite_file_read_number(file, DAY_BEFORE, "sweep", &day);
    if (found == 1) {
        *ret_day = (uint64_t)day;
    }
    return found;
}

/* returns the known time when a day has numbers: the end of that day */
static uint64_t known_by_day(uint64_t day)
{
    return (day + 1) * MS_PER_DAY;
}

/* stores the proven day, so that a later process with a wrong clock knows it */
static int write_proven_day(struct sqlite_file *file, enum statement which, uint64_t day)
{
    if (file->proven_day == day) {
        return 0;
    }
    sqlite_file_bind_u64(file->statements[which], 1, day);
    if (sqlite_file_run(file, which, "sweep") != 0) {
        return -EIO;
    }
    file->proven_day = day;
    return 0;
}

/*
 * Sets the proven day of a file that has none: the clock's day if the file is new, else the newest
 * day with visits.
 */
static int begin_proven_day(struct sqlite_file *file)
{
    uint64_t day = clock_wall_ms() / MS_PER_DAY;

    return find_day(file, INT64_MAX, &day) < 0 ? -EIO
                                               : write_proven_day(file, BEGIN_PROVEN_DAY, day);
}

int sqlite_file_begin_sweeping(struct sqlite_file *file)
{
    int64_t day;

    require(file->db != NULL);
    file->proven_day = 0;
    if (begin_proven_day(file) != 0 ||
        sqlite_file_read_number(file, READ_PROVEN_DAY, "open", &day) < 0) {
        return -EIO;
    }
    file->proven_day = (uint64_t)day;
    sweep_clock_init(&file->sweep_clock, known_by_day((uint64_t)day), clock_wall_ms(),
                     clock_monotonic_ms());
    return 0;
}

/* learns the time from visits on several recent days, which prove the clock */
static int learn_from_days(struct sqlite_file *file)
{
    uint64_t day = file->sweep_clock.wall_ms / MS_PER_DAY + DAYS_AHEAD;

    for (int i = 0; i < DAYS_AS_PROOF; i++) {
        int found = find_day(file, day, &day);

        if (found != 1) {
            return found;
        }
    }
    sweep_clock_learn(&file->sweep_clock, known_by_day(day));
    return 0;
}

static void look_at_clock(struct sqlite_file *file)
{
    sweep_clock_look(&file->sweep_clock, clock_wall_ms(), clock_monotonic_ms());
}

uint64_t sqlite_file_used_at_ms(struct sqlite_file *file)
{
    look_at_clock(file);
    return sweep_clock_latest_ms(&file->sweep_clock);
}

/* --- deletions --- */

/*
 * Deletes visitors and salts by the wall clock, right or wrong. Data that could identify visitors
 * must not live longer because the clock is unproven.
 */
static int sweep_visitors(struct sqlite_file *file, uint64_t now_ms, int *dropped)
{
    /* a day ends everywhere within half a day of UTC; the rest is for late batches */
    uint64_t first_day = sqlite_file_before(now_ms, 2 * (uint64_t)MS_PER_DAY) / MS_PER_DAY;

    return sweep(file, SWEEP_VISITOR, first_day, dropped) != 0 ||
                   sweep(file, SWEEP_SALT, now_ms / 1000, dropped) != 0
               ? -EIO
               : 0;
}

/*
 * Deletes old numbers by day and hour. Also deletes salts, visitors and tokens of the future, left
 * by a clock that was ahead. Call it only with a proven clock.
 */
static int sweep_history(struct sqlite_file *file, uint64_t now_ms, int *dropped)
{
    uint64_t first_day = sqlite_file_before(now_ms, file->series_days_ms) / MS_PER_DAY;
    uint64_t first_hour = sqlite_file_before(now_ms, file->series_hours_ms) / MS_PER_HOUR;
    uint64_t last_day = now_ms / MS_PER_DAY + DAYS_AHEAD;
    uint64_t last_second = (now_ms + file->keep_tokens_ms) / 1000 +
                           store_token_ttl_s(STORE_WINDOW_DAY, 0) + MS_PER_DAY / 1000;

    return sweep(file, SWEEP_DAY, first_day, dropped) != 0 ||
                   sweep(file, SWEEP_UNIQUES, first_day, dropped) != 0 ||
                   sweep(file, SWEEP_HOUR, first_hour, dropped) != 0 ||
                   sweep(file, SWEEP_SALT_AHEAD, last_day, dropped) != 0 ||
                   sweep(file, SWEEP_VISITOR_AHEAD, last_day, dropped) != 0 ||
                   sweep(file, SWEEP_SEEN_AHEAD, last_second, dropped) != 0
               ? -EIO
               : 0;
}

/* deletes some expired rows; once an hour, spread over several commits */
static int sweep_hourly(struct sqlite_file *file)
{
    uint64_t now_ms = file->sweep_clock.wall_ms;
    bool is_proven;
    int dropped = 0;

    if (file->swept_hour == now_ms / MS_PER_HOUR) {
        return 0;
    }
    if (sweep_clock_is_agreed(&file->sweep_clock) && !sweep_clock_is_near(&file->sweep_clock) &&
        learn_from_days(file) < 0) {
        return -EIO;
    }
    is_proven = sweep_clock_is_proven(&file->sweep_clock);
    file->status.is_clock_far = !sweep_clock_is_near(&file->sweep_clock);
    if (sweep_visitors(file, now_ms, &dropped) != 0 ||
        (is_proven && (write_proven_day(file, WRITE_PROVEN_DAY, now_ms / MS_PER_DAY) != 0 ||
                       sweep_history(file, now_ms, &dropped) != 0))) {
        return -EIO;
    }
    if (dropped == 0) {
        file->swept_hour = now_ms / MS_PER_HOUR;
    }
    return 0;
}

/* deletes some tokens that no batch can match any more */
static int sweep_seen(struct sqlite_file *file)
{
    uint64_t now_s = sweep_clock_now_ms(&file->sweep_clock) / 1000;
    int dropped = 0;

    if (file->swept_second == now_s) {
        return 0;
    }
    if (sweep(file, SWEEP_SEEN, now_s, &dropped) != 0) {
        return -EIO;
    }
    if (dropped == 0) {
        file->swept_second = now_s;
    }
    return 0;
}

int sqlite_file_sweep(struct sqlite_file *file)
{
    require(file->writes);
    look_at_clock(file);
    return sweep_hourly(file) != 0 || sweep_seen(file) != 0 ? -EIO : 0;
}

/*
 * The log keeps the pages as they were before a deletion, also after a checkpoint, until it is
 * overwritten. Truncating it removes them. secure_delete has cleared the rows in the file itself.
 * While a reader uses the log, it fails; the next call tries again.
 */
void sqlite_file_erase(struct sqlite_file *file)
{
    uint64_t hour = file->sweep_clock.wall_ms / MS_PER_HOUR;

    if (file->db == NULL || file->swept_hour != hour || file->status.erased_hour == hour) {
        return;
    }
    if (file->has_erased && sqlite_file_truncate_log(file) != 0) {
        return;
    }
    file->status.erased_hour = hour;
}

void sqlite_file_sweep_alone(struct sqlite_file *file)
{
    if (sqlite_file_begin(file, true) != 0 || sqlite_file_commit(file) != STORE_OK) {
        sqlite_file_recover(file);
    }
}

int sqlite_file_sweep_ledger(struct sqlite_file *file)
{
    require(file->writes);
    look_at_clock(file);
    sqlite_file_bind_u64(
        file->statements[SWEEP_LEDGER], 1,
        sqlite_file_before(sweep_clock_now_ms(&file->sweep_clock), file->ledger_ttl_ms));
    return sqlite_file_run(file, SWEEP_LEDGER, "sweep the ledger");
}
