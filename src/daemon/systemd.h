/* SPDX-License-Identifier: MIT */
/**
 * systemd: notifies the service manager (sd_notify(3)) and takes its sockets (sd_listen_fds(3)).
 * Without a service manager, all functions do nothing.
 */
#ifndef VISITCOUNTD_DAEMON_SYSTEMD_H
#define VISITCOUNTD_DAEMON_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>

/** Returns the number of listening sockets from systemd. Their descriptors start at `*ret_first`.
 */
size_t systemd_acquire_sockets(int *ret_first);

/** Returns how often to feed the watchdog, in ms: half of its limit; 0 without a watchdog. */
uint64_t systemd_watchdog_interval_ms(void);

/** Feeds the watchdog. */
void systemd_feed_watchdog(void);

/** Reports that the service has started, or has finished a reload. */
void systemd_notify_ready(void);

/** Reports that a reload starts. systemd_notify_ready() reports its end. */
void systemd_notify_reloading(void);

/** Reports that the service stops. */
void systemd_notify_stopping(void);

/** Sets the status line of the service in `systemctl status`. */
void systemd_notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
