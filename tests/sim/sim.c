/* SPDX-License-Identifier: MIT */
/*
 * sim: runs the engine, its batches and its ledger in a simulated world; see world.h.
 *
 *     sim [--seeds N] [--seed N] [--verbose]
 *
 * --seeds N runs seeds 1 to N, by default 1000; --seed N only that one. Each wrong run is named
 * with what was wrong and the command that repeats it; the status is then 1.
 */
#include "sim_clock.h"
#include "sim_log.h"
#include "world.h"

#include "base/map.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VIOLATIONS_SHOWN 10

static const char *program;
static uint64_t current_seed;

/* a contract was broken in the middle of a run */
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

/* the map draws its secret once in a process: here, or the first run would be another one */
static void settle_process_state(void)
{
    struct map map;
    struct map_node node;

    sim_clock_begin(0);
    map_init(&map);
    map_insert(&map, &node, "", 0);
    map_finish(&map);
}

static uint64_t run_seeds(uint64_t first, uint64_t last, struct world_tally *tally)
{
    uint64_t wrong = 0;

    for (current_seed = first; current_seed <= last; current_seed++) {
        char violation[256];

        if (world_run(current_seed, tally, violation)) {
            continue;
        }
        if (++wrong <= VIOLATIONS_SHOWN) {
            fprintf(stderr, "seed %llu: %s\n  again: %s --seed %llu --verbose\n",
                    (unsigned long long)current_seed, violation, program,
                    (unsigned long long)current_seed);
        }
    }
    return wrong;
}

static void show_tally(const struct world_tally *tally, uint64_t wrong)
{
    printf("%llu runs, %llu wrong: %llu visits: %llu counted, %llu refused, %llu in doubt; "
           "%llu batches, %llu sent again, %llu duplicates, %llu gaps; "
           "%llu outages, %llu restarts, %llu rollbacks\n",
           (unsigned long long)tally->runs, (unsigned long long)wrong,
           (unsigned long long)tally->visits, (unsigned long long)tally->counted,
           (unsigned long long)tally->refused, (unsigned long long)tally->unknown,
           (unsigned long long)tally->batches, (unsigned long long)tally->resent,
           (unsigned long long)tally->duplicates, (unsigned long long)tally->gaps,
           (unsigned long long)tally->outages, (unsigned long long)tally->restarts,
           (unsigned long long)tally->rollbacks);
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
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    struct world_tally tally = {0};
    uint64_t first = 1;
    uint64_t last = 1000;
    uint64_t wrong;
    int option;

    program = argv[0];
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n') {
            last = parse_number(optarg);
        } else if (option == 's') {
            first = last = parse_number(optarg);
        } else if (option == 'v') {
            sim_log_show(true);
        } else {
            fprintf(stderr, "usage: sim [--seeds N] [--seed N] [--verbose]\n");
            return 64;
        }
    }
    signal(SIGABRT, on_abort);
    settle_process_state();
    wrong = run_seeds(first, last, &tally);
    show_tally(&tally, wrong);
    return wrong != 0 ? 1 : 0;
}
