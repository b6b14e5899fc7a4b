/* SPDX-License-Identifier: MIT */
#include "sim_weather.h"

#include "oracle.h"
#include "sim_clock.h"

/* how late the engine may notice that a visit has timed out */
#define EXPIRE_MS 50

/*
 * How long an instance is away: a process restarts soon, a machine late. With all other delays,
 * both are shorter than the lifetime of tokens.
 */
#define ABSENCE_SHORT_MS 2000
#define ABSENCE_LONG_MS  (UINT64_C(500) * SIM_KEEP_TOKENS_S)

/* the time before a refusal that a store may lose, and the latency of an answer */
#define HEED_MS 3000

/* in longer runs visitors come less often */
#define LONG_STORM_MS 25000

/* requests at once in a calm run; max_waiting has room for several such crowds */
#define CALM_CROWD_MAX 8

/* longer than any run */
#define FOR_GOOD_MS 3600000

static unsigned left_out; /* kinds */

void sim_weather_leave_out(unsigned kinds)
{
    left_out = kinds;
}

/* some runs have no fault of a kind, others have almost no other */
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
    if (sim_chance(150)) { /* a disk so bad that repairs fail too */
        *weather = (struct sim_files_weather){300, 500, 800, UINT64_MAX};
        return;
    }
    weather->write_fails = draw_chance(300);
    weather->sync_fails = draw_chance(300);
    weather->other_fails = draw_chance(500);
    weather->room_bytes = sim_chance(300) ? sim_draw_skewed(16, 20000) : UINT64_MAX;
}

/* draws how long batches are retained, according to how far the store goes back */
static void draw_retention(struct sim_weather *weather, struct sim_instances *common)
{
    struct engine_options *options = &common->options;

    options->retain_max_bytes = 1 << 20;
    options->ledger_ttl_ms = 7 * UINT64_C(86400000);
    switch (weather->climate) {
    case SIM_STEADY:
        options->retain_ms = sim_draw_skewed(0, 60000);
        options->ledger_ttl_ms = sim_chance(300) ? 2 * FOR_GOOD_MS : options->ledger_ttl_ms;
        break;
    case SIM_CRASHING:
    case SIM_REPLICATED:
        options->retain_ms = sim_draw_between(5000, 10000);
        common->weather.heed_ms = options->retain_ms - HEED_MS;
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
    traffic->sites = sim_chance(250) && !weather->is_calm ? 1 : sim_draw_between(2, SIM_SITES_MAX);
    common->options.has_many_sites = traffic->sites > 1;
    traffic->is_steady = weather->climate == SIM_STEADY && !weather->loses_keys;
    traffic->is_calm = weather->is_calm;
    traffic->only_stamps = weather->sets_wall;
    traffic->shares_tokens =
        sim_chance(500) && !weather->upgrades && (left_out & SIM_KIND_TOKENS) == 0 ? 200 : 0;
    traffic->shared_pages = sim_chance(500) ? sim_draw_between(1, ORACLE_SHARED_PAGES) : 0;
    /*
     * Whether a page has room depends on the order of visits. So there is a limit only in runs in
     * which a refused page stays refused.
     */
    traffic->pages_max = weather->climate == SIM_STEADY && sim_chance(300)
                             ? sim_draw_skewed(1, traffic->shared_pages != 0 ? 10 : 300)
                             : 0;
    traffic->pause_ms = weather->storm_ms > LONG_STORM_MS
                            ? sim_draw_between(weather->storm_ms / 60, weather->storm_ms / 20)
                            : sim_draw_skewed(50, 1000);
    traffic->crowd_max = sim_draw_skewed(1, weather->is_calm ? CALM_CROWD_MAX : 20);
    traffic->with_token = sim_chance(300) ? 0 : 100 + (unsigned)sim_draw(900);
    traffic->patience_ms = common->options.max_wait_ms + EXPIRE_MS + weather->stall_ms;
    if (common->has_journal) {
        /* the write under way, the next write, and the work and the report of each take time */
        traffic->patience_ms += 6 * (common->disk_latency_ms + 1) + weather->stall_ms;
    }
}

/* a refusal of a minute is longer than the retention time of batches */
static void draw_refusals(struct sim_weather *weather)
{
    if (sim_chance(400)) {
        return;
    }
    weather->refusal_ms = sim_chance(500) ? sim_draw_skewed(100, 5000) : 60000;
    if (weather->refusal_ms > 5000) {
        weather->storm_ms += weather->refusal_ms;
        weather->fault_ms += 2000;
        weather->is_lasting = sim_chance(700);
    }
}

static void draw_replicas(struct sim_weather *weather)
{
    weather->tells_replicas = sim_chance(600);
    weather->lag_ms = sim_draw_skewed(10, weather->tells_replicas ? 2000 : 1000);
    weather->grace_ms = sim_chance(200) ? sim_draw_between(5000, 20000) : FOR_GOOD_MS;
    if (weather->climate == SIM_REPLICATED && sim_chance(500)) {
        weather->storm_ms += 30000;
        weather->fault_ms += 3000;
    }
}

/* leaves only faults of site 0, which must not affect the other sites */
static void calm_down(struct sim_weather *weather, struct sim_instances *common)
{
    weather->stall_ms = 0;
    weather->kills = false;
    weather->refusal_ms = sim_draw_skewed(1000, 20000);
    weather->loses_keys = true;
    weather->upgrades = false;
    common->weather = (struct sim_store_weather){
        .latency_ms = 5, .timeout_ms = 1000, .heed_ms = common->weather.heed_ms};
    common->options.max_wait_ms = sim_draw_skewed(200, 3000);
    common->options.max_waiting = sim_draw_skewed(12 * CALM_CROWD_MAX, 500);
}

static void leave_out(struct sim_weather *weather)
{
    weather->refusal_ms = (left_out & SIM_KIND_REFUSALS) != 0 ? 0 : weather->refusal_ms;
    weather->loses_keys = weather->loses_keys && (left_out & SIM_KIND_KEYS) == 0;
    weather->upgrades = weather->upgrades && (left_out & SIM_KIND_UPGRADES) == 0;
    weather->sets_wall = weather->sets_wall && (left_out & SIM_KIND_CLOCKS) == 0;
}

void sim_weather_draw(struct sim_weather *weather, struct sim_instances *common,
                      struct sim_traffic_options *traffic)
{
    *weather = (struct sim_weather){.climate = (enum sim_climate)sim_draw(4),
                                    .storm_ms = sim_draw_skewed(1000, 20000),
                                    .fault_ms = sim_draw_skewed(200, 8000),
                                    .outage_ms = sim_draw_skewed(10, 5000),
                                    .stall_ms = sim_chance(300) ? sim_draw_skewed(1, 3000) : 0,
                                    .kills = sim_chance(500),
                                    .loses_keys = sim_chance(250),
                                    .upgrades = sim_chance(150),
                                    .is_calm = sim_chance(100),
                                    .sets_wall = sim_chance(300)};
    if (weather->climate == SIM_CRASHING && sim_chance(300)) {
        weather->outage_ms = 30000;
        weather->storm_ms += 30000;
    }
    draw_refusals(weather);
    draw_replicas(weather);
    common->options.max_wait_ms = sim_draw_skewed(20, 3000);
    common->options.max_waiting = sim_draw_skewed(5, 500);
    common->has_journal = sim_chance(600);
    common->journal_max_bytes = sim_chance(300) ? sim_draw_skewed(5000, 50000) : 1 << 26;
    common->absence_ms = sim_chance(200) ? ABSENCE_LONG_MS : ABSENCE_SHORT_MS;
    common->disk_latency_ms = sim_draw_skewed(0, 200);
    draw_network(&common->weather);
    draw_disk(&weather->disk);
    draw_retention(weather, common);
    if ((left_out & SIM_KIND_REPLICAS) != 0 && weather->climate == SIM_REPLICATED) {
        weather->climate = SIM_STEADY;
    }
    weather->is_calm = weather->is_calm && (left_out & SIM_KIND_CALM) == 0;
    if (weather->is_calm) {
        calm_down(weather, common);
    }
    leave_out(weather);
    if (weather->upgrades) { /* an old version writes no proof, and tokens without pages */
        weather->loses_keys = false;
    }
    if (weather->climate == SIM_COPIED) { /* a copy from before a repair would come back */
        weather->loses_keys = false;
    }
    draw_traffic(weather, common, traffic);
}
