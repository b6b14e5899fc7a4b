/* SPDX-License-Identifier: MIT */
/*
 * sim: runs the engine, its ledger and its journal in a simulated world; see sim_world.h.
 *
 *     sim [--first N] [--seeds N] [--wrong N] [--seed N] [--without KIND]... [--verbose]
 *
 * --seeds N runs seeds 1 to N, by default 1000, or as many from --first on; --seed N only that one.
 * For each wrong run it prints the violation and the command that repeats the run. The exit status
 * is then 1. It stops after --wrong of them, by default 10. --without leaves a kind of faults out:
 * refusals, replicas, keys, clocks, tokens, calm or upgrades. This shows which kind a wrong run
 * needs.
 */
#include "sim_clock.h"
#include "sim_log.h"
#include "sim_weather.h"
#include "sim_world.h"

#include "base/map.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *program;
static uint64_t current_seed;

/* an assertion failed in the middle of a run */
static void on_abort(int signal)
{
    char text[512];
    int length =
        snprintf(text, sizeof(text), "seed %llu: aborted\n  again: %s --seed %llu --verbose\n",
                 (unsigned long long)current_seed, program, (unsigned long long)current_seed);

    (void)signal;
    if (write(STDERR_FILENO, text, (size_t)length) < 0) {
        _exit(2);
    }
}

/*
 * The map draws its secret once per process. It does so here, because otherwise the first run would
 * draw other numbers than a repetition of it.
 */
static void settle_process_state(void)
{
    struct map map;
    struct map_node node;

    sim_clock_begin(0);
    map_init(&map);
    map_insert(&map, &node, "", 0);
    map_finish(&map);
}

static uint64_t run_seeds(uint64_t first, uint64_t last, uint64_t wrong_max,
                          struct sim_tally *tally)
{
    uint64_t wrong = 0;

    for (current_seed = first; current_seed <= last && wrong < wrong_max; current_seed++) {
        const char *violation = sim_world_run(current_seed, tally);

        if (violation != NULL) {
            wrong++;
            fprintf(stderr, "seed %llu: %s\n  again: %s --seed %llu --verbose\n",
                    (unsigned long long)current_seed, violation, program,
                    (unsigned long long)current_seed);
        }
    }
    return wrong;
}

static void show_tally(const struct sim_tally *tally, uint64_t wrong)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"requests", tally->requests},
        {"attempts", tally->attempts},
        {"counted", tally->counted},
        {"repeated", tally->duplicate_visits},
        {"journaled", tally->journaled},
        {"refused", tally->refused},
        {"unknown", tally->unknown},
        {"replayed", tally->replayed},
        {"healed", tally->resent_visits},
        {"lost, as said", tally->lost},
        {"duplicates", tally->duplicate_batches},
        {"outages", tally->outages},
        {"deaths", tally->deaths},
        {"rollbacks", tally->rollbacks},
        {"refusals by a server", tally->refusals},
        {"refusals of a site", tally->refusals_of_site},
        {"replicas cut off", tally->cuts},
        {"promotions", tally->promotions},
        {"keys lost", tally->keys_lost},
        {"sites torn", tally->torn},
        {"repairs", tally->repairs},
        {"clock jumps", tally->clock_jumps},
        {"upgrades", tally->upgrades},
        {"calm runs", tally->calm_runs},
        {"shared tokens", tally->tokens_shared},
        {"tokens at the edge", tally->edges},
    };

    printf("%llu runs, %llu wrong", (unsigned long long)tally->runs, (unsigned long long)wrong);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        printf("%s %llu %s", i == 0 ? ":" : ",", (unsigned long long)rows[i].count, rows[i].name);
    }
    printf("\n");
}

/* the bit of a kind of faults: see enum sim_kind */
static unsigned parse_kind(const char *text)
{
    static const char *const names[] = {"refusals", "replicas", "keys",    "clocks",
                                        "tokens",   "calm",     "upgrades"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(text, names[i]) == 0) {
            return 1U << i;
        }
    }
    fprintf(stderr, "sim: no kind of faults: \"%s\"\n", text);
    exit(64);
}

static uint64_t parse_number(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0') {
        fprintf(stderr, "sim: expected a number, got \"%s\"\n", text);
        exit(64);
    }
    return number;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"wrong", required_argument, NULL, 'w'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"without", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    struct sim_tally tally = {0};
    uint64_t first = 1;
    uint64_t seeds = 1000;
    uint64_t wrong_max = 10;
    uint64_t wrong;
    unsigned left_out = 0;
    int option;

    program = argv[0];
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n') {
            seeds = parse_number(optarg);
        } else if (option == 's') {
            first = parse_number(optarg);
            seeds = 1;
        } else if (option == 'f') {
            first = parse_number(optarg);
        } else if (option == 'w') {
            wrong_max = parse_number(optarg);
        } else if (option == 'v') {
            sim_log_show(true);
        } else if (option == 'o') {
            left_out |= parse_kind(optarg);
            sim_weather_leave_out(left_out);
        } else {
            fprintf(stderr,
                    "usage: sim [--first N] [--seeds N] [--wrong N] [--seed N] [--without KIND] "
                    "[--verbose]\n");
            return 64;
        }
    }
    signal(SIGABRT, on_abort);
    settle_process_state();
    wrong = run_seeds(first, first + seeds - 1, wrong_max, &tally);
    show_tally(&tally, wrong);
    return wrong != 0 ? 1 : 0;
}
