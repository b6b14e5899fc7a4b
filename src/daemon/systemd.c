/* SPDX-License-Identifier: MIT */
#include "daemon/systemd.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

size_t systemd_acquire_sockets(int *ret_first)
{
    int count = sd_listen_fds(1);

    *ret_first = SD_LISTEN_FDS_START;
    return count > 0 ? (size_t)count : 0;
}

uint64_t systemd_watchdog_interval_ms(void)
{
    uint64_t limit_us = 0;

    if (sd_watchdog_enabled(0, &limit_us) <= 0) {
        return 0;
    }
    return limit_us / 2000;
}

void systemd_feed_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}

void systemd_notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void systemd_notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
}

void systemd_notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void systemd_notify_status(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sd_notifyf(0, "STATUS=%s", text);
}
