/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const char *const log_level_names[] = {"error", "warning", "info", "debug", NULL};

/* priorities of syslog(3) in the order of enum log_level */
static const int syslog_priorities[] = {3, 4, 6, 7};

static _Atomic enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

enum log_level log_get_level(void)
{
    return threshold;
}

bool log_wants(enum log_level level)
{
    return level <= threshold;
}

static int format_prefix(char *line, size_t size, enum log_level level)
{
    struct timespec now;
    struct tm utc;
    size_t length;

    if (getenv("JOURNAL_STREAM") != NULL) {
        return snprintf(line, size, "<%d>", syslog_priorities[level]);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    length = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return (int)length + snprintf(line + length, size - length, ".%03ldZ %-7s ",
                                  now.tv_nsec / 1000000, log_level_names[level]);
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[2048];
    struct buf safe = BUF_EMPTY;
    va_list arguments;
    size_t start;
    size_t length;
    int written;

    if (!log_wants(level)) {
        return;
    }
    start = (size_t)format_prefix(line, sizeof(line), level);
    va_start(arguments, format);
    written = vsnprintf(line + start, sizeof(line) - start - 1, format, arguments);
    va_end(arguments);
    if (written < 0) {
        return;
    }
    length = start + (size_t)written;
    if (length > sizeof(line) - 2) {
        length = sizeof(line) - 2;
    }
    buf_append(&safe, line, start);
    buf_put_printable(&safe, line + start, length - start);
    buf_putc(&safe, '\n');
    written = (int)write(STDERR_FILENO, safe.bytes, safe.length);
    buf_finish(&safe);
    if (written < 0) {
        return; /* standard error failed; there is no other place to report to */
    }
}
