/* SPDX-License-Identifier: MIT */
#include "sim_log.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_shown;

static void write_line(const char *from, const char *format, va_list arguments)
{
    if (is_shown) {
        printf("%8llu ms %-8s", (unsigned long long)clock_monotonic_ms() - 1000000, from);
        vprintf(format, arguments);
        putchar('\n');
    }
}

void sim_log_show(bool show)
{
    is_shown = show;
}

void sim_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("", format, arguments);
    va_end(arguments);
}

const char *const log_level_names[] = {"error", "warning", "info", "debug", NULL};

bool log_wants(enum log_level level)
{
    (void)level;
    return is_shown;
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line(log_level_names[level], format, arguments);
    va_end(arguments);
}
