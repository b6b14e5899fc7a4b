/* SPDX-License-Identifier: MIT */
/**
 * log: writes one line per event to standard error. A line starts with its time and level. Under
 * systemd (JOURNAL_STREAM) it starts with the priority prefix of sd-daemon(3) instead, because the
 * journal records the time itself.
 *
 * A line says what failed, on what, why, and what happens instead. Functions either log or return
 * an error, never both.
 */
#ifndef VISITCOUNTD_BASE_LOG_H
#define VISITCOUNTD_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/** Names of the levels, in order, NULL at the end: "error", "warning", "info", "debug". */
extern const char *const log_level_names[];

/** Drops lines less important than `level` from now on. The initial level is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/** Whether a line of `level` would be written. */
bool log_wants(enum log_level level);

/** Writes one line. Newlines and control bytes in the text become "?". Thread-safe. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                               \
    do {                                             \
        if (log_wants(LOG_LEVEL_DEBUG)) {            \
            log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
        }                                            \
    } while (0)

#endif
