/* SPDX-License-Identifier: MIT */
/**
 * systemd: what the service manager is told (sd_notify(3)) and what it hands over
 * (sd_listen_fds(3)). Without a service manager all of it does nothing.
 */
#ifndef VISITCOUNTD_DAEMON_SYSTEMD_H
#define VISITCOUNTD_DAEMON_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>

/** Listening sockets that were handed over: their number; they begin at `*ret_first`. */
size_t systemd_take_sockets(int *ret_first);

/** How often the watchdog wants to be fed, in ms: half of its limit; 0 without a watchdog. */
uint64_t systemd_watchdog_interval_ms(void);

/** Feeds the watchdog. */
void systemd_feed_watchdog(void);

/** The service has started, or has finished to reload. */
void systemd_notify_ready(void);

/** The service reloads; systemd_notify_ready() ends that. */
void systemd_notify_reloading(void);

/** The service stops. */
void systemd_notify_stopping(void);

/** One line about what the service does, for `systemctl status`. */
void systemd_notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
