/* SPDX-License-Identifier: MIT */
/**
 * daemon: creates every part in the order of the floors, runs the loop, and destroys them in
 * reverse. It alone knows all parts: reload, drain and the service manager are here.
 */
#ifndef VISITCOUNTD_DAEMON_DAEMON_H
#define VISITCOUNTD_DAEMON_DAEMON_H

#include "config/config.h"

/**
 * Serves until a signal or the admin socket ends it. `request` is kept for reloads; `config`, what
 * it led to, is freed here. Returns the exit status of the process: EX_OK; EX_CONFIG when what was
 * configured cannot be had (port taken, directory not writable), said in the log.
 *
 * SIGTERM and SIGINT drain, and a second one ends at once; SIGHUP reloads.
 */
int daemon_run(const struct config_request *request, struct config *config);

#endif
