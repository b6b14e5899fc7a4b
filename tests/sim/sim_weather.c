/* SPDX-License-Identifier: MIT */
#include "sim_weather.h"

#include "oracle.h"
#include "sim_clock.h"

/* how late the engine may look whether a visit's patience ended */
#define EXPIRE_MS 50

/* a process that is started again, or a machine: with all else less than tokens are kept */
#define ABSENCE_SHORT_MS 2000
#define ABSENCE_LONG_MS  (UINT64_C(500) * SIM_KEEP_TOKENS_S)

/* longer than any run */
#define FOR_GOOD_MS 3600000

/* in some runs nothing of a kind happens, in some it is nearly all that happens */
static unsigned draw_chance(unsigned most)
{
    return sim_chance(300) ? 0 : (unsigned)sim_draw_skewed(0, most);
}

static void draw_network(struct sim_store_weather *weather)
{
    weather->reply_lost = draw_chance(500);
    weather->request_lost = draw_chance(500);
    weather->late = draw_chance(500);
    weather->twice = draw_chance(500);
    weather->refused = draw_chance(500);
    weather->latency_ms = sim_draw_skewed(0, 300);
    weather->timeout_ms = sim_draw_skewed(10, 2000);
}

static void draw_disk(struct sim_files_weather *weather)
{
    if (sim_chance(150)) { /* a wreck: not even the mending works */
        *weather = (struct sim_files_weather){300, 500, 800, UINT64_MAX};
        return;
    }
    weather->write_fails = draw_chance(300);
    weather->sync_fails = draw_chance(300);
    weather->other_fails = draw_chance(500);
    weather->room_bytes = sim_chance(300) ? sim_draw_skewed(16, 20000) : UINT64_MAX;
}

/* for how long batches are retained, against how far the store goes back */
static void draw_retention(struct sim_weather *weather, struct engine_options *options)
{
    options->retain_max_bytes = 1 << 20;
    options->ledger_ttl_ms = 7 * UINT64_C(86400000);
    switch (weather->climate) {
    case SIM_STEADY:
        options->retain_ms = sim_draw_skewed(0, 60000);
        options->ledger_ttl_ms = sim_chance(300) ? 2 * FOR_GOOD_MS : options->ledger_ttl_ms;
        break;
    case SIM_CRASHING:
        options->retain_ms = sim_draw_between(4000, 10000);
        break;
    case SIM_COPIED:
        weather->may_lose = sim_chance(150);
        options->retain_ms = weather->may_lose ? sim_draw_skewed(0, 5000) : FOR_GOOD_MS;
        if (weather->may_lose && sim_chance(500)) {
            options->retain_max_bytes = sim_draw_skewed(100, 10000);
        }
        break;
    }
}

static void draw_traffic(const struct sim_weather *weather, struct sim_instances *common,
                         struct sim_traffic_options *traffic)
{
    traffic->sites = sim_draw_between(1, SIM_SITES_MAX);
    traffic->shared_pages = sim_chance(500) ? sim_draw_between(1, ORACLE_SHARED_PAGES) : 0;
    /* room is a matter of when: it is judged only where what was refused once stays so */
    traffic->pages_max = weather->climate == SIM_STEADY && sim_chance(300)
                             ? sim_draw_skewed(1, traffic->shared_pages != 0 ? 10 : 300)
                             : 0;
    traffic->pause_ms = sim_draw_skewed(50, 1000);
    traffic->crowd_max = sim_draw_skewed(1, 20);
    /* where the wall clock is set, windows of time mean nothing */
    traffic->with_token = weather->sets_wall || sim_chance(300) ? 0 : 100 + (unsigned)sim_draw(900);
    traffic->patience_ms = common->options.max_wait_ms + EXPIRE_MS + weather->stall_ms;
    if (common->has_journal) {
        /* what is written already, what is written next, and work and answer take time each */
        traffic->patience_ms += 6 * (common->disk_latency_ms + 1) + weather->stall_ms;
    }
}

void sim_weather_draw(struct sim_weather *weather, struct sim_instances *common,
                      struct sim_traffic_options *traffic)
{
    *weather = (struct sim_weather){.climate = (enum sim_climate)sim_draw(3),
                                    .storm_ms = sim_draw_skewed(1000, 20000),
                                    .fault_ms = sim_draw_skewed(200, 8000),
                                    .outage_ms = sim_draw_skewed(10, 5000),
                                    .stall_ms = sim_chance(300) ? sim_draw_skewed(1, 3000) : 0,
                                    .kills = sim_chance(500),
                                    .sets_wall = sim_chance(300)};
    if (weather->climate == SIM_CRASHING && sim_chance(300)) {
        weather->outage_ms = 30000;
        weather->storm_ms += 30000;
    }
    common->options.max_wait_ms = sim_draw_skewed(20, 3000);
    common->options.max_waiting = sim_draw_skewed(5, 500);
    common->has_journal = sim_chance(600);
    common->journal_max_bytes = sim_chance(300) ? sim_draw_skewed(5000, 50000) : 1 << 26;
    common->absence_ms = sim_chance(200) ? ABSENCE_LONG_MS : ABSENCE_SHORT_MS;
    common->disk_latency_ms = sim_draw_skewed(0, 200);
    draw_network(&common->weather);
    draw_disk(&weather->disk);
    draw_retention(weather, &common->options);
    draw_traffic(weather, common, traffic);
}
