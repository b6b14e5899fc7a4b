/* SPDX-License-Identifier: MIT */
#include "http/admin/metrics.h"

#include "base/clock.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MS_PER_S  1000
#define US_PER_MS 1000
#define US_PER_S  1000000

/* The histogram has one bucket per power of two. The first limit is at least this. */
#define FIRST_LIMIT_US 60
#define BUCKET_STEP    4

/* The process */

/** Counts the entries of /proc/self/fd, without the descriptor that reads it. */
static uint64_t count_open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    uint64_t count = 0;

    if (directory == NULL) {
        return 0;
    }
    while ((entry = readdir(directory)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count > 0 ? count - 1 : 0;
}

static void read_memory(uint64_t *ret_virtual, uint64_t *ret_resident)
{
    FILE *file = fopen("/proc/self/statm", "re");
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t total;
    uint64_t resident;

    if (file == NULL) {
        return;
    }
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) == 2) {
        *ret_virtual = total * page;
        *ret_resident = resident * page;
    }
    fclose(file);
}

/** Returns the start time of the process in clock ticks since boot (proc(5), stat, field 22). */
static uint64_t read_start_ticks(void)
{
    FILE *file = fopen("/proc/self/stat", "re");
    char line[1024];
    const char *at;
    uint64_t ticks = 0;

    if (file == NULL) {
        return 0;
    }
    /* the second field is the name in parentheses, which may contain any character */
    if (fgets(line, sizeof(line), file) != NULL && (at = strrchr(line, ')')) != NULL) {
        for (int field = 2; at != NULL && field < 22; field++) {
            at = strchr(at + 1, ' ');
        }
        if (at == NULL || sscanf(at, " %" SCNu64, &ticks) != 1) {
            ticks = 0;
        }
    }
    fclose(file);
    return ticks;
}

/**
 * Returns the start time of the process. It is computed once, from two clocks that drift against
 * each other. A start time that changes would look like a restart.
 */
static uint64_t read_start_time_ms(void)
{
    static uint64_t known;
    uint64_t ticks;
    struct timespec up;

    if (known != 0) {
        return known;
    }
    ticks = read_start_ticks();
    if (ticks != 0 && clock_gettime(CLOCK_BOOTTIME, &up) == 0) {
        uint64_t up_ms = (uint64_t)up.tv_sec * MS_PER_S + (uint64_t)up.tv_nsec / 1000000;

        known = clock_wall_ms() - up_ms + ticks * MS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    }
    return known;
}

void metrics_read_process(struct metrics_process *ret_process)
{
    struct rusage usage;
    struct rlimit limit;

    memset(ret_process, 0, sizeof(*ret_process));
    ret_process->start_time_ms = read_start_time_ms();
    ret_process->open_fds = count_open_fds();
    read_memory(&ret_process->virtual_bytes, &ret_process->resident_bytes);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        ret_process->cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_S +
                              (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        ret_process->max_fds = limit.rlim_cur;
    }
}

/* The format */

struct family {
    const char *name;
    const char *type;
    const char *help;
};

static void put_head(struct buf *out, const struct family *family)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
               family->type);
}

/** Appends a metric without labels that is a whole number. */
static void put_number(struct buf *out, const struct family *family, uint64_t value)
{
    put_head(out, family);
    buf_printf(out, "%s %" PRIu64 "\n", family->name, value);
}

/** Appends a metric without labels in seconds. */
static void put_seconds(struct buf *out, const struct family *family, uint64_t us)
{
    put_head(out, family);
    buf_printf(out, "%s %" PRIu64 ".%06" PRIu64 "\n", family->name, us / US_PER_S, us % US_PER_S);
}

/** Appends one number of a metric with a label. */
static void put_labelled(struct buf *out, const struct family *family, const char *label,
                         const char *text, uint64_t value)
{
    buf_printf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", family->name, label, text, value);
}

/* The families: metrics with labels, or of a form of their own. Each is a row of metrics.def. */

static void put_build_info(struct buf *out, const struct family *family,
                           const struct metrics_facts *facts)
{
    put_head(out, family);
    put_labelled(out, family, "version", facts->version, 1);
}

static void put_visits(struct buf *out, const struct family *family,
                       const struct metrics_facts *facts)
{
    const struct stats *stats = facts->stats;

    put_head(out, family);
    put_labelled(out, family, "result", "applied", stats->applied);
    put_labelled(out, family, "result", "repeated", stats->duplicate_visits);
    put_labelled(out, family, "result", "journaled", stats->journaled);
    put_labelled(out, family, "result", "refused", stats->refused);
    put_labelled(out, family, "result", "unknown", stats->unknown);
}

struct tally_lines {
    struct buf *out;
    const struct family *family;
    bool has_head;
};

static void on_tally(void *data, const struct visit_tally *tally)
{
    struct tally_lines *lines = data;

    if (!lines->has_head) {
        put_head(lines->out, lines->family);
        lines->has_head = true;
    }

    for (enum visit_outcome outcome = OUTCOME_NONE; outcome < OUTCOMES; outcome++) {
        if (tally->visits[outcome] != 0) {
            buf_printf(lines->out, "%s{reason=\"%s\",site=\"%s\"} %" PRIu64 "\n",
                       lines->family->name, visit_outcome_reason(outcome), tally->site,
                       tally->visits[outcome]);
        }
    }
}

/** Appends nothing if all visits were counted. */
static void put_not_counted(struct buf *out, const struct family *family,
                            const struct metrics_facts *facts)
{
    visit_tallies_for_each(facts->tallies, on_tally,
                           &(struct tally_lines){.out = out, .family = family});
}

/**
 * Appends the latency histogram. Several buckets of stats make one of ours. Each line counts all
 * visits up to its limit.
 */
static void put_latency(struct buf *out, const struct family *family,
                        const struct metrics_facts *facts)
{
    const struct stats *stats = facts->stats;
    uint64_t sum = 0;
    int next = 0;

    put_head(out, family);
    while (stats_bucket_limit_us(next) < FIRST_LIMIT_US) {
        next++;
    }
    for (int i = 0; i < STATS_BUCKETS; i++) {
        /* latencies are whole microseconds, rounded down: 63 means less than 64 */
        uint64_t limit_us = stats_bucket_limit_us(i) + 1;

        sum += stats->latency_buckets[i];
        if (i == next && i + 1 < STATS_BUCKETS) {
            buf_printf(out, "%s_bucket{le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n",
                       family->name, limit_us / US_PER_S, limit_us % US_PER_S, sum);
            next += BUCKET_STEP;
        }
    }
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", family->name, sum);
    buf_printf(out, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", family->name,
               stats->latency_sum_us / US_PER_S, stats->latency_sum_us % US_PER_S);
    buf_printf(out, "%s_count %" PRIu64 "\n", family->name, sum);
}

static void put_up(struct buf *out, const struct family *family, const struct metrics_facts *facts)
{
    put_head(out, family);
    put_labelled(out, family, "backend", facts->store->backend, facts->store->available);
}

/** Appends nothing without replicas. */
static void put_replicas(struct buf *out, const struct family *family,
                         const struct metrics_facts *facts)
{
    const struct store_health *store = facts->store;

    if (store->replica_count == 0) {
        return;
    }
    put_head(out, family);
    for (size_t i = 0; i < store->replica_count; i++) {
        put_labelled(out, family, "replica", store->replicas[i].address,
                     store->replicas[i].lag_bytes);
    }
}

/** Appends nothing if the store could not be examined. */
static void put_warnings(struct buf *out, const struct family *family,
                         const struct metrics_facts *facts)
{
    const struct store_health *store = facts->store;

    if (store->warning_count == 0) {
        return;
    }
    put_head(out, family);
    for (size_t i = 0; i < store->warning_count; i++) {
        put_labelled(out, family, "check", store->warnings[i].check,
                     store->warnings[i].text[0] != '\0');
    }
}

static void put_budget_refusals(struct buf *out, const struct family *family,
                                const struct metrics_facts *facts)
{
    put_head(out, family);
    put_labelled(out, family, "budget", "pages", facts->novelty->refused_pages);
    put_labelled(out, family, "budget", "sites", facts->novelty->refused_sites);
    put_labelled(out, family, "budget", "idempotency_keys", facts->novelty->refused_tokens);
    put_labelled(out, family, "budget", "idempotency_keys_total", facts->novelty->refused_shares);
}

static void put_ratio(struct buf *out, const struct family *family, uint64_t part, uint64_t whole)
{
    put_head(out, family);
    buf_printf(out, "%s %.4f\n", family->name, whole != 0 ? (double)part / (double)whole : 0.0);
}

static void put_fullest_site(struct buf *out, const struct family *family,
                             const struct metrics_facts *facts)
{
    put_ratio(out, family, facts->fullness->fullest_pages, facts->fullness->fullest_pages_max);
}

static void put_sites(struct buf *out, const struct family *family,
                      const struct metrics_facts *facts)
{
    put_ratio(out, family, facts->fullness->sites, facts->fullness->sites_max);
}

static void put_start_time(struct buf *out, const struct family *family,
                           const struct metrics_facts *facts)
{
    uint64_t start_ms = facts->process.start_time_ms;

    put_head(out, family);
    buf_printf(out, "%s %" PRIu64 ".%03" PRIu64 "\n", family->name, start_ms / MS_PER_S,
               start_ms % MS_PER_S);
}

#define FAMILY_OF(name, type, help)     (&(const struct family){#name, #type, help})
#define NUMBER(name, type, value, help) put_number(out, FAMILY_OF(name, type, help), value);
#define SECONDS(name, type, us, help)   put_seconds(out, FAMILY_OF(name, type, help), us);
#define FAMILY(name, type, put, help)   put(out, FAMILY_OF(name, type, help), facts);
#define JOURNAL(name, type, value, help)                                     \
    if (facts->journal != NULL) {                                            \
        put_number(out, FAMILY_OF(name, type, help), facts->journal->value); \
    }

void metrics_write(const struct metrics_facts *facts, struct buf *out)
{
#include "http/admin/metrics.def"
}
