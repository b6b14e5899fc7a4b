/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "base/clock.h"
#include "count/engine.h"
#include "sim_clock.h"
#include "sim_log.h"
#include "sim_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITES_MAX   3
#define MS_PER_HOUR 3600000

/* how late the engine may look whether a visit's patience ended */
#define EXPIRE_MS 50

/* longer than anything takes in a world without faults, the longest backoff included */
#define QUIET_MAX_MS 60000

#define NEVER UINT64_MAX

struct world;

struct instance {
    struct world *world;
    size_t number;
    struct fake_store *store;
    struct engine *engine; /* NULL while it is down */
    bool is_killed;        /* its answers do not leave any more */
    bool is_stopping;
    bool refuses;        /* its store refuses everything */
    uint64_t ends_at_ms; /* of whatever state it is in because of a fault */
    /* since its engine was created */
    uint64_t taken;
    uint64_t turned_away;
    uint64_t told[3]; /* by enum visit_status */
};

struct sim_visit {
    struct visit visit;
    struct instance *instance;
    struct oracle_page *page;
    uint64_t arrived_at_ms;
    uint64_t hour;
    bool is_answered;
};

/* how bad this run is: chances per mille, times in ms */
struct weather {
    unsigned reply_lost;
    unsigned request_lost;
    unsigned late;
    unsigned twice;
    unsigned refused;
    uint64_t latency_ms; /* at most */
    uint64_t timeout_ms; /* until the link gives an answer up */
    uint64_t pause_ms;   /* between arrivals, at most */
    uint64_t fault_ms;   /* between faults of the world, at most */
    bool kills;
    bool goes_back;
};

struct world {
    struct loop *loop;
    struct fake_database *database;
    struct fake_database *snapshot; /* to go back to */
    struct engine_options options;
    struct weather weather;
    struct instance instances[ORACLE_INSTANCES];
    size_t instance_count;
    struct sim_visit visits[ORACLE_VISITS];
    size_t visit_count;
    bool is_quiet;
    int64_t wall_off_ms;
    uint64_t arrival_at_ms;
    uint64_t fault_at_ms;
    struct oracle oracle;
    struct world_tally *tally;
};

/* --- visits --- */

static void arrive(struct world *world, struct instance *instance);

static void on_answer(struct visit *visit, const struct visit_answer *answer)
{
    struct sim_visit *own = container_of(visit, struct sim_visit, visit);
    struct instance *instance = own->instance;
    struct world *world = instance->world;
    uint64_t waited_ms = clock_monotonic_ms() - own->arrived_at_ms;

    if (own->is_answered) {
        oracle_accuse(&world->oracle, "visit %zu answered twice", own - world->visits);
    }
    if (waited_ms > world->options.max_wait_ms + EXPIRE_MS) {
        oracle_accuse(&world->oracle, "visit %zu waited for %llu ms", own - world->visits,
                      (unsigned long long)waited_ms);
    }
    own->is_answered = true;
    if (instance->is_killed) {
        oracle_killed(&world->oracle, own->page, own->hour);
        return;
    }
    instance->told[answer->status]++;
    oracle_answered(&world->oracle, own->page, instance->number, own->hour, answer);
    if (!world->is_quiet && sim_chance(30)) {
        arrive(world, instance); /* the client's next request was there already */
    }
}

static void arrive(struct world *world, struct instance *instance)
{
    struct sim_visit *own = &world->visits[world->visit_count];
    struct oracle *oracle = &world->oracle;
    int error;

    if (instance->engine == NULL || world->visit_count == ORACLE_VISITS) {
        return;
    }
    own->visit.on_answer = on_answer;
    own->instance = instance;
    own->page = &oracle->pages[sim_draw_skewed(0, oracle->page_count - 1)];
    own->arrived_at_ms = clock_monotonic_ms();
    own->hour = clock_wall_ms() / MS_PER_HOUR;
    own->is_answered = false;
    world->visit_count++;
    error = engine_visit(instance->engine, own->page->site, own->page->name,
                         strlen(own->page->name), &own->visit);
    if (error != 0) {
        world->visit_count--;
        instance->turned_away++;
    } else {
        instance->taken++;
        oracle->visits++;
    }
}

static void arrive_together(struct world *world)
{
    struct instance *instance = &world->instances[sim_draw(world->instance_count)];

    for (uint64_t i = sim_draw_skewed(1, 20); i != 0; i--) {
        arrive(world, instance);
    }
    world->arrival_at_ms = clock_monotonic_ms() + sim_draw_skewed(0, world->weather.pause_ms);
}

/* --- instances --- */

static void start_instance(struct instance *instance)
{
    struct world *world = instance->world;
    bool available = world->is_quiet || sim_chance(800);

    sim_say("instance %zu starts%s", instance->number, available ? "" : " without the store");
    instance->store = fake_store_create(world->database, available);
    instance->engine = engine_create(world->loop, &instance->store->store, &world->options);
    instance->is_killed = false;
    instance->is_stopping = false;
    instance->refuses = false;
    instance->ends_at_ms = available ? NEVER : clock_monotonic_ms() + sim_draw_skewed(1, 3000);
    instance->taken = 0;
    instance->turned_away = 0;
    memset(instance->told, 0, sizeof(instance->told));
}

static void judge_stats(struct instance *instance)
{
    const struct stats *stats = engine_stats(instance->engine);
    struct world_tally *tally = instance->world->tally;

    if (stats->accepted != instance->taken || stats->waiting != 0 ||
        stats->applied != instance->told[VISIT_COUNTED] ||
        stats->unknown != instance->told[VISIT_UNKNOWN] ||
        stats->refused != instance->told[VISIT_REFUSED] + instance->turned_away) {
        oracle_accuse(&instance->world->oracle, "instance %zu: its stats are wrong",
                      instance->number);
    }
    if (stats->gaps != 0 && !instance->world->weather.goes_back) {
        oracle_accuse(&instance->world->oracle, "instance %zu: a gap, but the store is as it was",
                      instance->number);
    }
    tally->visits += stats->accepted;
    tally->counted += stats->applied;
    tally->refused += stats->refused;
    tally->unknown += stats->unknown;
    tally->batches += stats->batches;
    tally->resent += stats->resent;
    tally->duplicates += stats->duplicates;
    tally->gaps += stats->gaps;
}

static void end_instance(struct instance *instance, bool kill)
{
    bool is_executed = sim_chance(500);

    sim_say("instance %zu %s", instance->number, kill ? "is killed" : "ends");
    if (!kill) {
        engine_abandon(instance->engine);
        judge_stats(instance);
    }
    instance->is_killed = kill;
    engine_destroy(instance->engine);
    instance->engine = NULL;
    /* what it had sent arrives or not */
    fake_store_end_all(instance->store, is_executed ? FAKE_REPLY_LOST : FAKE_REQUEST_LOST);
    store_destroy(&instance->store->store);
    instance->store = NULL;
    instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 2000);
}

/* --- calls to the store --- */

static const char *name_of(enum fake_fate fate)
{
    static const char *const names[] = {"done",         "refused", "reply lost",
                                        "request lost", "late",    "twice"};

    return names[fate];
}

static enum fake_fate draw_fate(const struct world *world, const struct instance *instance)
{
    const struct weather *weather = &world->weather;

    if (world->is_quiet) {
        return FAKE_DONE;
    }
    if (instance->refuses || sim_chance(weather->refused)) {
        return FAKE_REFUSED;
    }
    if (sim_chance(weather->reply_lost)) {
        return FAKE_REPLY_LOST;
    }
    if (sim_chance(weather->request_lost)) {
        return FAKE_REQUEST_LOST;
    }
    if (sim_chance(weather->late)) {
        return FAKE_LATE;
    }
    return sim_chance(weather->twice) ? FAKE_TWICE : FAKE_DONE;
}

static void plan_call(struct instance *instance, struct fake_call *call)
{
    const struct weather *weather = &instance->world->weather;
    bool is_answered;

    call->fate = draw_fate(instance->world, instance);
    is_answered = call->fate == FAKE_DONE || call->fate == FAKE_REFUSED || call->fate == FAKE_TWICE;
    call->due_ms = clock_monotonic_ms() +
                   (is_answered ? sim_draw_skewed(0, weather->latency_ms)
                                : sim_draw_between(weather->timeout_ms / 2, weather->timeout_ms));
    sim_say("instance %zu sends batch %llu of %s (%.4s...): %s", instance->number,
            (unsigned long long)call->batch.sequence, call->batch.site, call->batch.epoch,
            name_of(call->fate));
}

static void plan_calls(struct world *world)
{
    for (size_t i = 0; i < world->instance_count; i++) {
        struct instance *instance = &world->instances[i];
        struct fake_call *call;

        for (size_t j = 0;
             instance->store != NULL && (call = fake_store_call(instance->store, j)) != NULL; j++) {
            if (call->due_ms == 0) {
                plan_call(instance, call);
            }
        }
    }
}

/* the call that ends first; NULL when there is none */
static struct fake_call *first_call(const struct world *world, struct fake_store **ret_store)
{
    struct fake_call *first = NULL;

    for (size_t i = 0; i < world->instance_count; i++) {
        struct fake_store *store = world->instances[i].store;
        struct fake_call *call;

        for (size_t j = 0; store != NULL && (call = fake_store_call(store, j)) != NULL; j++) {
            if (first == NULL || call->due_ms < first->due_ms) {
                first = call;
                *ret_store = store;
            }
        }
    }
    return first;
}

static void end_due_calls(struct world *world)
{
    struct fake_store *store = NULL;
    struct fake_call *call;

    while ((call = first_call(world, &store)) != NULL && call->due_ms <= clock_monotonic_ms()) {
        fake_store_end(store, call, call->fate);
        plan_calls(world); /* none in the callback, or it would be due at 0 */
    }
}

/* --- faults --- */

static void execute_late(struct instance *instance)
{
    if (instance->store != NULL && fake_store_late_count(instance->store) != 0) {
        sim_say("instance %zu: a late batch is executed", instance->number);
        fake_store_execute_late(instance->store);
    }
}

static void begin_outage(struct instance *instance)
{
    static const enum fake_fate fates[] = {FAKE_REPLY_LOST, FAKE_REQUEST_LOST, FAKE_LATE,
                                           FAKE_REFUSED};
    enum fake_fate fate = fates[sim_draw(4)];

    sim_say("instance %zu: the store goes away, calls: %s", instance->number, name_of(fate));
    instance->world->tally->outages++;
    instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 5000);
    fake_store_go_away(instance->store, fate);
}

/* the server is gone, with what was on its way to it, and comes back as it was before */
static void go_back(struct world *world)
{
    sim_say("the store goes back in time");
    world->tally->rollbacks++;
    for (size_t i = 0; i < world->instance_count; i++) {
        struct instance *instance = &world->instances[i];

        if (instance->store == NULL) {
            continue;
        }
        while (fake_store_late_count(instance->store) != 0) {
            fake_store_drop_late(instance->store);
        }
        if (instance->store->available) {
            fake_store_go_away(instance->store, FAKE_REQUEST_LOST);
            instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 1000);
        }
    }
    fake_database_restore(world->database, world->snapshot);
}

static void strike_store(struct world *world)
{
    if (!world->weather.goes_back) {
        return;
    }
    if (world->snapshot != NULL && sim_chance(500)) {
        go_back(world);
    } else {
        sim_say("a snapshot of the store");
        fake_database_destroy(world->snapshot);
        world->snapshot = fake_database_copy(world->database);
    }
}

static void strike_instance(struct instance *instance)
{
    struct world *world = instance->world;

    if (instance->engine == NULL || instance->ends_at_ms != NEVER) {
        return; /* one thing at a time */
    }
    switch (sim_draw(4)) {
    case 0:
        begin_outage(instance);
        break;
    case 1:
        sim_say("instance %zu: the store refuses", instance->number);
        instance->refuses = true;
        instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 3000);
        break;
    case 2:
        if (world->weather.kills) {
            world->tally->restarts++;
            end_instance(instance, true);
        }
        break;
    case 3:
        if (world->weather.kills) {
            world->tally->restarts++;
            sim_say("instance %zu is told to end", instance->number);
            instance->is_stopping = true;
            engine_stop(instance->engine);
            instance->ends_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, 1000);
        }
        break;
    }
}

/* what a fault had begun is over */
static void recover(struct instance *instance)
{
    instance->ends_at_ms = NEVER;
    if (instance->engine == NULL) {
        start_instance(instance);
    } else if (instance->is_stopping) {
        end_instance(instance, false);
    } else if (!instance->store->available) {
        sim_say("instance %zu: the store is back", instance->number);
        fake_store_come_back(instance->store);
    } else {
        sim_say("instance %zu: the store takes batches again", instance->number);
        instance->refuses = false;
    }
}

/* up to an hour off, which keeps the hours of a run few */
static void set_wall(struct world *world)
{
    int64_t off_ms = (int64_t)sim_draw(2 * MS_PER_HOUR) - MS_PER_HOUR;

    sim_say("the wall clock is set");
    sim_clock_step_wall(off_ms - world->wall_off_ms);
    world->wall_off_ms = off_ms;
}

static void strike(struct world *world)
{
    struct instance *instance = &world->instances[sim_draw(world->instance_count)];

    switch (sim_draw(8)) {
    case 0:
        strike_store(world);
        break;
    case 1:
        set_wall(world);
        break;
    case 2:
    case 3:
        execute_late(instance);
        break;
    default:
        strike_instance(instance);
        break;
    }
    world->fault_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, world->weather.fault_ms);
}

/* --- time --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event_ms(const struct world *world)
{
    uint64_t next_ms = sim_loop_next_ms(world->loop);
    struct fake_store *store;
    const struct fake_call *call = first_call(world, &store);

    if (call != NULL) {
        next_ms = earlier(next_ms, call->due_ms);
    }
    for (size_t i = 0; i < world->instance_count; i++) {
        next_ms = earlier(next_ms, world->instances[i].ends_at_ms);
    }
    if (!world->is_quiet) {
        next_ms = earlier(next_ms, earlier(world->arrival_at_ms, world->fault_at_ms));
    }
    return next_ms;
}

/* one moment: what is due happens, then the loop turns */
static void step(struct world *world)
{
    uint64_t now_ms = next_event_ms(world);

    sim_clock_advance_to(now_ms);
    if (!world->is_quiet && world->arrival_at_ms <= now_ms) {
        arrive_together(world);
    }
    end_due_calls(world);
    if (!world->is_quiet && world->fault_at_ms <= now_ms) {
        strike(world);
    }
    for (size_t i = 0; i < world->instance_count; i++) {
        if (world->instances[i].ends_at_ms <= now_ms) {
            recover(&world->instances[i]);
        }
    }
    sim_loop_run_due(world->loop);
    plan_calls(world);
}

static bool is_idle(const struct world *world)
{
    for (size_t i = 0; i < world->instance_count; i++) {
        const struct instance *instance = &world->instances[i];

        if (instance->ends_at_ms != NEVER || !engine_is_idle(instance->engine)) {
            return false;
        }
    }
    return true;
}

static void become_quiet(struct world *world)
{
    uint64_t end_ms = clock_monotonic_ms() + QUIET_MAX_MS;

    sim_say("the world becomes quiet");
    world->is_quiet = true;
    while (!is_idle(world) && next_event_ms(world) <= end_ms) {
        step(world);
    }
    if (!is_idle(world)) {
        oracle_accuse(&world->oracle, "not idle after %d s without faults", QUIET_MAX_MS / 1000);
    }
}

/* --- a run --- */

static void draw_weather(struct weather *weather)
{
    /* in some runs nothing of a kind happens, in some it is all that happens */
    weather->reply_lost = (unsigned)sim_draw_skewed(0, 500);
    weather->request_lost = (unsigned)sim_draw_skewed(0, 500);
    weather->late = (unsigned)sim_draw_skewed(0, 500);
    weather->twice = (unsigned)sim_draw_skewed(0, 500);
    weather->refused = (unsigned)sim_draw_skewed(0, 500);
    weather->latency_ms = sim_draw_skewed(0, 300);
    weather->timeout_ms = sim_draw_skewed(10, 2000);
    weather->pause_ms = sim_draw_skewed(20, 1000);
    weather->fault_ms = sim_draw_skewed(100, 10000);
    weather->kills = sim_chance(400);
    weather->goes_back = sim_chance(150);
    if (weather->goes_back) {
        weather->twice = 0; /* a connection does not outlive its server */
    }
}

static void create_pages(struct oracle *oracle)
{
    uint64_t sites = sim_draw_between(1, SITES_MAX);
    uint64_t pages = sim_draw_between(1, ORACLE_PAGES / SITES_MAX);

    for (uint64_t site = 0; site < sites; site++) {
        for (uint64_t i = 0; i < pages; i++) {
            struct oracle_page *page = &oracle->pages[oracle->page_count++];

            snprintf(page->site, sizeof(page->site), "site%llu", (unsigned long long)site);
            snprintf(page->name, sizeof(page->name), "/%llu", (unsigned long long)i);
        }
    }
}

static struct world *create_world(struct world_tally *tally)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL) {
        abort();
    }
    world->loop = loop_create();
    world->database = fake_database_create();
    world->tally = tally;
    world->options.max_wait_ms = sim_draw_skewed(20, 3000);
    world->options.max_waiting = sim_draw_skewed(5, 2000);
    draw_weather(&world->weather);
    oracle_begin(&world->oracle, world->database);
    world->oracle.store_goes_back = world->weather.goes_back;
    create_pages(&world->oracle);
    world->instance_count = sim_draw_between(1, ORACLE_INSTANCES);
    for (size_t i = 0; i < world->instance_count; i++) {
        world->instances[i].world = world;
        world->instances[i].number = i;
        start_instance(&world->instances[i]);
    }
    world->arrival_at_ms = clock_monotonic_ms();
    world->fault_at_ms = clock_monotonic_ms() + sim_draw_skewed(1, world->weather.fault_ms);
    return world;
}

static void destroy_world(struct world *world)
{
    for (size_t i = 0; i < world->instance_count; i++) {
        while (fake_store_late_count(world->instances[i].store) != 0) {
            fake_store_execute_late(world->instances[i].store);
        }
    }
    for (size_t i = 0; i < world->instance_count; i++) {
        end_instance(&world->instances[i], false);
    }
    oracle_end(&world->oracle);
    for (size_t i = 0; i < world->visit_count; i++) {
        if (!world->visits[i].is_answered) {
            oracle_accuse(&world->oracle, "visit %zu was never answered", i);
        }
    }
    loop_destroy(world->loop);
    fake_database_destroy(world->snapshot);
    fake_database_destroy(world->database);
}

bool world_run(uint64_t seed, struct world_tally *tally, char *ret_violation)
{
    struct world *world;
    uint64_t end_ms;
    bool is_right;

    sim_clock_begin(seed);
    world = create_world(tally);
    end_ms = clock_monotonic_ms() + sim_draw_skewed(1000, 20000);
    while (next_event_ms(world) < end_ms && *world->oracle.violation == '\0') {
        step(world);
    }
    become_quiet(world);
    destroy_world(world);
    tally->runs++;
    is_right = *world->oracle.violation == '\0';
    if (!is_right) {
        strcpy(ret_violation, world->oracle.violation);
    }
    free(world);
    return is_right;
}
