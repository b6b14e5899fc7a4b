/* SPDX-License-Identifier: MIT */
/**
 * engine_inside: the engine and its parts, in the order in which they stand on each other. Only the
 * engine's own files include it: the parts do not know the engine.
 */
#ifndef VISITCOUNTD_COUNT_ENGINE_INSIDE_H
#define VISITCOUNTD_COUNT_ENGINE_INSIDE_H

#include "count/breaker.h"
#include "count/dispatcher.h"
#include "count/engine_types.h"
#include "count/known_visitors.h"
#include "count/lane.h"
#include "count/outcome.h"
#include "count/retention.h"
#include "count/spill.h"
#include "count/stall.h"
#include "count/stats.h"
#include "count/waiting_visits.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>

struct engine {
    struct loop *loop;
    struct store *store;
    struct store_listener listener;
    struct engine_options options;
    struct stats stats;
    struct known_visitors known; /* visitors that the store already has */
    struct waiting_visits waiting;
    struct breaker breaker;
    struct stalls stalls;
    struct retention retention;
    struct dispatcher dispatcher;
    struct site_table sites;
    struct spill spill;
    struct outcome outcome;
    struct loop_timer tidy;
    bool is_stopped;
};

#endif
