/* SPDX-License-Identifier: MIT */
#include "sim_edge.h"

#include "base/clock.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "store/token_buckets.h"

#define MS_PER_S 1000

/* The store has to get a repetition within the window. This is the latency of both requests. */
#define WAY_MS 2000

/* after this time no store keeps the token, as README says */
#define KEPT_MS \
    ((uint64_t)MS_PER_S * (STORE_WINDOW_CLIENT_S + TOKEN_BUCKET_CLIENT_S + SIM_KEEP_TOKENS_S))

/* moves the time of a quiet world to `at_ms` */
static void rest_until(struct world *world, uint64_t at_ms)
{
    sim_clock_advance_to(at_ms);
    sim_world_settle(world);
}

static enum visit_status ask_again(struct world *world, size_t request)
{
    sim_traffic_repeat(world->traffic, request, &world->instances[sim_draw(world->instance_count)]);
    sim_world_settle(world);
    return sim_traffic_status(world->traffic, request);
}

void sim_edge_run(struct world *world)
{
    uint64_t first_at_ms = clock_monotonic_ms() + MS_PER_S * sim_draw(TOKEN_BUCKET_CLIENT_S);
    uint64_t inside_ms = STORE_WINDOW_CLIENT_S * MS_PER_S - WAY_MS - sim_draw_skewed(0, 900000);
    uint64_t outside_ms = KEPT_MS + WAY_MS + sim_draw_skewed(0, 900000);
    size_t request;

    rest_until(world, first_at_ms);
    request = sim_traffic_ask_of_client(world->traffic);
    if (request == SIM_NO_REQUEST || ask_again(world, request) != VISIT_COUNTED) {
        return;
    }
    world->tally->edges++;
    rest_until(world, first_at_ms + inside_ms);
    if (ask_again(world, request) != VISIT_DUPLICATE) {
        oracle_accuse("request %zu is repeated after %llu s, and is no repetition", request,
                      (unsigned long long)inside_ms / MS_PER_S);
    }
    rest_until(world, first_at_ms + outside_ms);
    if (sim_database_client_tokens(world->active->database) != 0) {
        oracle_accuse("the token of request %zu is kept after %llu s", request,
                      (unsigned long long)outside_ms / MS_PER_S);
    }
    request = sim_traffic_renew(world->traffic, request);
    if (request != SIM_NO_REQUEST && ask_again(world, request) == VISIT_DUPLICATE) {
        oracle_accuse("request %zu comes after %llu s, and is taken for a repetition", request,
                      (unsigned long long)outside_ms / MS_PER_S);
    }
}
