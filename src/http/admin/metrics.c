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

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/** Appends a metric without labels that is a whole number. */
static void put_u64(struct buf *out, const char *name, const char *type, uint64_t value,
                    const char *help)
{
    put_head(out, name, type, help);
    buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

/** Appends a metric without labels in seconds. */
static void put_seconds(struct buf *out, const char *name, const char *type, uint64_t us,
                        const char *help)
{
    put_head(out, name, type, help);
    buf_printf(out, "%s %" PRIu64 ".%06" PRIu64 "\n", name, us / US_PER_S, us % US_PER_S);
}

static void put_visits(struct buf *out, const struct stats *stats)
{
    static const char name[] = "visitcountd_visits_total";

    put_head(out, name, "counter", "Visits by what they were answered.");
    buf_printf(out, "%s{result=\"applied\"} %" PRIu64 "\n", name, stats->applied);
    buf_printf(out, "%s{result=\"repeated\"} %" PRIu64 "\n", name, stats->duplicate_visits);
    buf_printf(out, "%s{result=\"journaled\"} %" PRIu64 "\n", name, stats->journaled);
    buf_printf(out, "%s{result=\"refused\"} %" PRIu64 "\n", name, stats->refused);
    buf_printf(out, "%s{result=\"unknown\"} %" PRIu64 "\n", name, stats->unknown);
    put_u64(out, "visitcountd_visits_waiting", "gauge", stats->waiting,
            "Visits without an answer yet.");
    put_u64(out, "visitcountd_batches_total", "counter", stats->batches,
            "Batches of visits that the store applied.");
    put_u64(out, "visitcountd_batches_resent_total", "counter", stats->retried,
            "Batches that were sent more than once.");
    put_u64(out, "visitcountd_batches_duplicate_total", "counter", stats->duplicate_batches,
            "Batches that the store already had when they were sent again.");
    put_u64(out, "visitcountd_store_gaps_total", "counter", stats->gaps,
            "Times that the store was found to have gone back in time.");
    put_u64(out, "visitcountd_visits_healed_total", "counter", stats->resent_visits,
            "Visits that the store had lost and has again.");
    put_u64(out, "visitcountd_visits_lost_total", "counter", stats->lost,
            "Visits that the store lost when they were no longer kept here.");
    put_u64(out, "visitcountd_visits_unprotected_total", "counter", stats->unprotected,
            "Visits that are no longer kept here to be sent again, since ledger.retain_max was "
            "reached.");
    put_u64(out, "visitcountd_visits_outdated_total", "counter", stats->outdated,
            "Visits that are not sent again or were set aside, since their site was repaired.");
    put_u64(out, "visitcountd_visits_unconfirmed_total", "counter", stats->unconfirmed,
            "Visits that were answered before as many replicas had them as redis.wait_replicas.");
    put_u64(out, "visitcountd_visits_replayed_total", "counter", stats->replayed,
            "Visits that the store took from a journal.");
}

/** Appends nothing without a journal. */
static void put_journal(struct buf *out, const struct journal_status *journal)
{
    if (journal == NULL) {
        return;
    }
    put_u64(out, "visitcountd_journal_bytes", "gauge", journal->size_bytes,
            "Size of the journal on the disk.");
    put_u64(out, "visitcountd_journal_max_bytes", "gauge", journal->max_size_bytes,
            "Size up to which it may grow.");
    put_u64(out, "visitcountd_journal_records", "gauge", journal->records,
            "Records in it that the store does not have.");
    put_u64(out, "visitcountd_journal_visits", "gauge", journal->visits,
            "Visits in these records.");
    put_u64(out, "visitcountd_journal_aside_visits", "gauge", journal->aside_visits,
            "Visits that were set aside, since their site was repaired.");
    put_u64(out, "visitcountd_journal_records_written_total", "counter", journal->written,
            "Records written.");
    put_u64(out, "visitcountd_journal_syncs_total", "counter", journal->syncs,
            "Times that what was written was brought to the disk.");
    put_u64(out, "visitcountd_journal_failed", "gauge", journal->error[0] != '\0',
            "Whether the last record could not be written.");
}

/**
 * Appends the latency histogram. Several buckets of stats make one of ours. Each line counts all
 * visits up to its limit.
 */
static void put_latency(struct buf *out, const struct stats *stats)
{
    static const char name[] = "visitcountd_visit_duration_seconds";
    uint64_t sum = 0;
    int next = 0;

    put_head(out, name, "histogram", "From a visit's arrival to its answer.");
    while (stats_bucket_limit_us(next) < FIRST_LIMIT_US) {
        next++;
    }
    for (int i = 0; i < STATS_BUCKETS; i++) {
        /* latencies are whole microseconds, rounded down: 63 means less than 64 */
        uint64_t limit_us = stats_bucket_limit_us(i) + 1;

        sum += stats->latency_buckets[i];
        if (i == next && i + 1 < STATS_BUCKETS) {
            buf_printf(out, "%s_bucket{le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n", name,
                       limit_us / US_PER_S, limit_us % US_PER_S, sum);
            next += BUCKET_STEP;
        }
    }
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
    buf_printf(out, "%s_sum %" PRIu64 ".%06" PRIu64 "\n", name, stats->latency_sum_us / US_PER_S,
               stats->latency_sum_us % US_PER_S);
    buf_printf(out, "%s_count %" PRIu64 "\n", name, sum);
}

/** Appends nothing if the store could not be examined. */
static void put_warnings(struct buf *out, const struct store_health *store)
{
    static const char name[] = "visitcountd_store_warning";

    if (store->warning_count == 0) {
        return;
    }
    put_head(out, name, "gauge",
             "Whether a setting or state of the store is going to cost numbers; see the status.");
    for (size_t i = 0; i < store->warning_count; i++) {
        buf_printf(out, "%s{check=\"%s\"} %d\n", name, store->warnings[i].check,
                   store->warnings[i].text[0] != '\0');
    }
}

/** Appends nothing without replicas. */
static void put_replicas(struct buf *out, const struct store_health *store)
{
    static const char name[] = "visitcountd_store_replica_lag_bytes";

    if (store->replica_count == 0) {
        return;
    }
    put_head(out, name, "gauge",
             "How far a replica of the store was behind when it was last seen.");
    for (size_t i = 0; i < store->replica_count; i++) {
        buf_printf(out, "%s{replica=\"%s\"} %" PRIu64 "\n", name, store->replicas[i].address,
                   store->replicas[i].lag_bytes);
    }
}

static void put_store(struct buf *out, const struct metrics_facts *facts)
{
    static const char up[] = "visitcountd_store_up";
    const struct store_health *store = facts->store;

    put_head(out, up, "gauge", "Whether the store can be asked now.");
    buf_printf(out, "%s{backend=\"%s\"} %d\n", up, store->backend, store->available);
    put_seconds(out, "visitcountd_store_failing_seconds", "gauge", facts->failing_ms * US_PER_MS,
                "For how long the store, though it can be asked, takes no batches of some site; 0: "
                "it takes them.");
    put_u64(out, "visitcountd_store_failing_sites", "gauge", facts->failing_sites,
            "Sites of which the store, though it can be asked, takes no batches.");
    put_u64(out, "visitcountd_torn_sites", "gauge", facts->torn_sites,
            "Sites of which the keys contradict each other, and that count nothing until they are "
            "repaired.");
    put_u64(out, "visitcountd_unproven_sites", "gauge", facts->unproven_sites,
            "Sites of which a version before 0.2 has written lately, so that keys which were lost "
            "would not be noticed.");
    put_seconds(out, "visitcountd_sites_failing_seconds", "gauge",
                facts->site_failing_ms * US_PER_MS,
                "For how long the store, though it can be asked, does not say whether sites that "
                "are not listed may be counted; 0: it does.");
    put_seconds(out, "visitcountd_salt_failing_seconds", "gauge",
                facts->salt_failing_ms * US_PER_MS,
                "For how long the store, though it can be asked, does not tell the salt of the "
                "day; 0: it does.");
    put_u64(out, "visitcountd_store_commands_total", "counter", store->commands,
            "Commands sent to the store.");
    put_u64(out, "visitcountd_store_connects_total", "counter", store->connects,
            "Times that the store was connected to or opened.");
    put_u64(out, "visitcountd_store_commands_in_flight", "gauge", store->in_flight,
            "Commands that the store has not answered yet.");
    put_seconds(out, "visitcountd_store_round_trip_seconds", "gauge", store->round_trip_us,
                "How long the last command took.");
    put_replicas(out, store);
    put_warnings(out, store);
}

static void put_budgets(struct buf *out, const struct novelty_stats *novelty)
{
    static const char name[] = "visitcountd_budget_refusals_total";

    put_head(out, name, "counter", "Visits refused because a network used up a budget.");
    buf_printf(out, "%s{budget=\"pages\"} %" PRIu64 "\n", name, novelty->refused_pages);
    buf_printf(out, "%s{budget=\"sites\"} %" PRIu64 "\n", name, novelty->refused_sites);
    buf_printf(out, "%s{budget=\"idempotency_keys\"} %" PRIu64 "\n", name, novelty->refused_tokens);
    put_u64(out, "visitcountd_visitors_ignored_total", "counter", novelty->ignored_visitors,
            "New visitors that were ignored because a network used up visitors.new_daily.");
}

static void put_ratio(struct buf *out, const char *name, uint64_t part, uint64_t whole,
                      const char *help)
{
    put_head(out, name, "gauge", help);
    buf_printf(out, "%s %.4f\n", name, whole != 0 ? (double)part / (double)whole : 0.0);
}

static void put_fullness(struct buf *out, const struct fullness_view *fullness)
{
    put_ratio(out, "visitcountd_fullest_site_ratio", fullness->fullest_pages,
              fullness->fullest_pages_max, "Pages of the fullest site, divided by its limit.");
    put_ratio(out, "visitcountd_sites_ratio", fullness->sites, fullness->sites_max,
              "Sites, divided by limits.sites; 0 if only listed sites are counted.");
    put_u64(out, "visitcountd_nearly_full_sites", "gauge", fullness->nearly_full_count,
            "Sites that have at least 80 % of the pages that they may have.");
}

static void put_passwords(struct buf *out, const struct password_guard_stats *passwords)
{
    put_u64(out, "visitcountd_dashboard_wrong_passwords_total", "counter", passwords->wrong,
            "Wrong passwords for dashboards, series and top lists.");
    put_u64(out, "visitcountd_dashboard_delayed_attempts_total", "counter", passwords->delayed,
            "Attempts that had to wait, since there were too many wrong passwords.");
    put_u64(out, "visitcountd_dashboard_refused_attempts_total", "counter", passwords->refused,
            "Attempts that were refused, since too many waited.");
}

static void put_server(struct buf *out, const struct metrics_facts *facts)
{
    put_u64(out, "visitcountd_connections", "gauge", facts->open_connections,
            "Connections of visitors that are open.");
    put_u64(out, "visitcountd_connections_accepted_total", "counter", facts->accepted_connections,
            "Connections of visitors.");
    put_u64(out, "visitcountd_live_clients", "gauge", facts->live_clients,
            "Clients that listen to live numbers.");
    put_u64(out, "visitcountd_http_requests_total", "counter", facts->requests,
            "Requests of visitors, whatever their answer.");
    put_u64(out, "visitcountd_draining", "gauge", facts->is_draining,
            "Whether the instance is about to end and takes no new connections.");
}

static void put_process(struct buf *out, const struct metrics_process *process)
{
    static const char start[] = "process_start_time_seconds";

    put_head(out, start, "gauge", "Start of the process, in seconds since 1970.");
    buf_printf(out, "%s %" PRIu64 ".%03" PRIu64 "\n", start, process->start_time_ms / MS_PER_S,
               process->start_time_ms % MS_PER_S);
    put_seconds(out, "process_cpu_seconds_total", "counter", process->cpu_us,
                "User and system CPU time.");
    put_u64(out, "process_resident_memory_bytes", "gauge", process->resident_bytes,
            "Memory in use.");
    put_u64(out, "process_virtual_memory_bytes", "gauge", process->virtual_bytes, "Memory mapped.");
    put_u64(out, "process_open_fds", "gauge", process->open_fds, "Open file descriptors.");
    put_u64(out, "process_max_fds", "gauge", process->max_fds, "Limit of open file descriptors.");
}

void metrics_write(const struct metrics_facts *facts, struct buf *out)
{
    put_head(out, "visitcountd_build_info", "gauge", "The version of the daemon; always 1.");
    buf_printf(out, "visitcountd_build_info{version=\"%s\"} 1\n", facts->version);
    put_visits(out, facts->stats);
    put_latency(out, facts->stats);
    put_store(out, facts);
    put_journal(out, facts->journal);
    put_budgets(out, facts->novelty);
    put_fullness(out, facts->fullness);
    put_passwords(out, facts->passwords);
    put_server(out, facts);
    put_process(out, &facts->process);
}
