/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_file.h"

#include "store/sqlite/sqlite_inside.h"

#include "base/clock.h"

#include <errno.h>

/* days with visits that show that a clock is right which is far from the time known before */
#define DAYS_AS_PROOF 3

/* days that are still to come in any time zone, and one more for clocks that differ */
#define DAYS_AHEAD 2

/* drops some of what `which` finds by `limit`, and adds how many rows that were */
static int sweep(struct sqlite_file *file, enum statement which, uint64_t limit, int *dropped)
{
    sqlite_bind_u64(file->statements[which], 1, limit);
    if (sqlite_run(file, which, "sweep") != 0) {
        return -EIO;
    }
    *dropped += sqlite3_changes(file->db);
    return 0;
}

/* --- how far the clock is believed --- */

/* the newest day with numbers before `before`; 1, or 0 when there is none */
static int find_day(struct sqlite_file *file, uint64_t before, uint64_t *ret_day)
{
    int64_t day;
    int found;

    sqlite_bind_u64(file->statements[DAY_BEFORE], 1, before);
    found = sqlite_take_number(file, DAY_BEFORE, "sweep", &day);
    if (found == 1) {
        *ret_day = (uint64_t)day;
    }
    return found;
}

/* the time that has come when numbers of a day are written, in whatever time zone */
static uint64_t known_by_day(uint64_t day)
{
    return (day + 1) * MS_PER_DAY;
}

/* remembers the day, so that a process that starts with another clock knows better */
static int write_proven_day(struct sqlite_file *file, enum statement which, uint64_t day)
{
    if (file->proven_day == day) {
        return 0;
    }
    sqlite_bind_u64(file->statements[which], 1, day);
    if (sqlite_run(file, which, "sweep") != 0) {
        return -EIO;
    }
    file->proven_day = day;
    return 0;
}

/* of a new file the clock's day, of one of an earlier program the newest one with visits */
static int begin_proven_day(struct sqlite_file *file)
{
    uint64_t day = clock_wall_ms() / MS_PER_DAY;

    return find_day(file, INT64_MAX, &day) < 0 ? -EIO
                                               : write_proven_day(file, BEGIN_PROVEN_DAY, day);
}

int sqlite_file_begin_sweeping(struct sqlite_file *file)
{
    int64_t day;

    file->proven_day = 0;
    if (begin_proven_day(file) != 0 ||
        sqlite_take_number(file, READ_PROVEN_DAY, "open", &day) < 0) {
        return -EIO;
    }
    file->proven_day = (uint64_t)day;
    sweep_clock_init(&file->sweep_clock, known_by_day((uint64_t)day), clock_wall_ms(),
                     clock_monotonic_ms());
    return 0;
}

/* visits on several days up to today show that today is near: they are no accident */
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

/* --- what is dropped --- */

/*
 * What shows who visited ends with its time by the wall clock, right or wrong: no secret lives
 * longer because a clock is in doubt.
 */
static int sweep_visitors(struct sqlite_file *file, uint64_t now_ms, int *dropped)
{
    /* a day is over everywhere half a day after it is in UTC; some more, for late batches */
    uint64_t first_day = sqlite_before(now_ms, 2 * (uint64_t)MS_PER_DAY) / MS_PER_DAY;

    return sweep(file, SWEEP_VISITOR, first_day, dropped) != 0 ||
                   sweep(file, SWEEP_SALT, now_ms / 1000, dropped) != 0
               ? -EIO
               : 0;
}

/* numbers by day and hour, by a proven clock; and what a clock that was ahead left for later */
static int sweep_history(struct sqlite_file *file, uint64_t now_ms, int *dropped)
{
    uint64_t first_day = sqlite_before(now_ms, file->series_days_ms) / MS_PER_DAY;
    uint64_t first_hour = sqlite_before(now_ms, file->series_hours_ms) / MS_PER_HOUR;
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

/* drops some of what is too old; once an hour, over as many commits as it takes */
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

/* drops some of the tokens that no batch will be compared with any more */
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
    look_at_clock(file);
    return sweep_hourly(file) != 0 || sweep_seen(file) != 0 ? -EIO : 0;
}

int sqlite_file_sweep_ledger(struct sqlite_file *file)
{
    look_at_clock(file);
    sqlite_bind_u64(file->statements[SWEEP_LEDGER], 1,
                    sqlite_before(sweep_clock_now_ms(&file->sweep_clock), file->ledger_ttl_ms));
    return sqlite_run(file, SWEEP_LEDGER, "sweep the ledger");
}
