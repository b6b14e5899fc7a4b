/* SPDX-License-Identifier: MIT */
/**
 * daemon: creates all parts in the order of the floors, runs the loop, and destroys the parts in
 * reverse order. It implements reload and drain, and talks to the service manager, because no other
 * module knows all parts.
 */
#ifndef VISITCOUNTD_DAEMON_DAEMON_H
#define VISITCOUNTD_DAEMON_DAEMON_H

#include "config/config.h"

/**
 * Serves until a signal or the admin socket ends it. `config` was loaded from `request`. Frees
 * `config`. Reloads use `request` again, so it must outlive the call. Returns the exit status of
 * the process: EX_OK, or EX_CONFIG if a part cannot be created (port taken, directory not
 * writable). The log then has the reason.
 *
 * SIGTERM and SIGINT start a drain; a second one ends the process at once. SIGHUP reloads.
 */
int daemon_run(const struct config_request *request, struct config *config);

#endif
