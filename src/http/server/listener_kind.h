/* SPDX-License-Identifier: MIT */
/**
 * listener_kind: the role of a listening socket. libh2o has a separate host table for each kind, so
 * a request on one kind cannot reach the routes of another.
 */
#ifndef VISITCOUNTD_HTTP_LISTENER_KIND_H
#define VISITCOUNTD_HTTP_LISTENER_KIND_H

#include "base/units.h"

#include <stdbool.h>

enum listener_kind {
    LISTENER_VISITORS, /* http.listen, or inherited */
    LISTENER_ADMIN,    /* admin.socket */
    LISTENER_METRICS   /* metrics.listen */
};

#define LISTENER_KINDS (LISTENER_METRICS + 1)

/** One listening socket, for status. */
struct listener_view {
    enum listener_kind kind;
    /** The bound address: the real port instead of port 0; a wildcard is 0.0.0.0 or [::]. */
    struct address address;
    bool is_inherited; /* handed over by systemd */
};

#endif
