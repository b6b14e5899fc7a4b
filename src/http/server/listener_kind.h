/* SPDX-License-Identifier: MIT */
/**
 * listener_kind: who is expected behind a listening socket. Each kind has a host table of its own
 * in libh2o, so a request on one can never reach the routes of another.
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
    /** As bound: with the real port where 0 was asked for, the wildcard as 0.0.0.0 or [::]. */
    struct address address;
    bool is_inherited; /* handed over by systemd */
};

#endif
