/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include "base/log.h"
#include "count/journal_takeover.h"
#include "count/engine.h"
#include "journal/journal.h"
#include "daemon/app.h"
#include "daemon/memory.h"
#include "daemon/password.h"
#include "daemon/systemd.h"
#include "loop/disk.h"
#include "loop/loop.h"
#include "store/redis/redis_store.h"
#include "store/sqlite/sqlite_store.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* how often the service manager gets a new status line */
#define STATUS_INTERVAL_MS 5000

/* how often a drain checks whether the last batch was answered */
#define DRAIN_POLL_MS 10

struct daemon {
    const struct config_request *request;
    struct config *config;
    struct loop *loop;
    struct disk *disk; /* NULL without SQLite and without a journal */
    struct store *store;
    struct password password; /* for Redis */
    struct memory memory;
    struct engine *engine;
    struct journal *journal; /* or NULL */
    struct journal_takeovers *takeovers;
    struct app *app;
    struct loop_timer watchdog;
    struct loop_timer status;
    struct loop_timer drain_poll;
    struct loop_timer drain_end;
    bool is_draining;
    bool is_drained; /* no visitor's connection is left */
};

/* --- creating the parts --- */

/* how long the store keeps tokens beyond their windows, because a visit may wait in a journal */
static uint64_t keep_tokens_ms(const struct config *config)
{
    return *config->journal_directory != '\0' ? config->journal_keep_tokens_ms : 0;
}

/* the server rejected the password: reads the file again, which may have a new one */
static void on_denied(void *data)
{
    struct daemon *daemon = data;
    const char *path = daemon->config->secret_files[CONFIG_redis_password];

    if (path != NULL) {
        password_read(&daemon->password, path);
    }
}

static void on_password(void *data, const char *password)
{
    struct daemon *daemon = data;
    struct buf problem = BUF_EMPTY;

    if (!config_renew_secret(daemon->config, CONFIG_redis_password, password, &problem)) {
        log_warning("redis.password_file: %s; going on with the password that was read before",
                    problem.bytes);
    } else if (daemon->store != NULL) {
        redis_store_set_credentials(daemon->store, daemon->config->redis_username,
                                    daemon->config->redis_password);
    }
    buf_finish(&problem);
}

static struct store *create_redis(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    const char *reason = "";
    struct redis_store_options options = {
        .link = {.username = config->redis_username,
                 .password = config->redis_password,
                 .db = config->redis_db,
                 .connect_timeout_ms = config->redis_connect_timeout_ms,
                 .command_timeout_ms = config->redis_command_timeout_ms,
                 .replica_grace_ms = config->ledger_replica_grace_ms},
        .tls = config->redis_tls,
        .tls_ca = config->redis_tls_ca,
        .instance = config->instance,
        .wait_replicas = config->redis_wait_replicas,
        .wait_timeout_ms = config->redis_wait_timeout_ms,
        .keep_tokens_ms = keep_tokens_ms(config),
        .ledger_ttl_ms = config->ledger_ttl_ms,
        .series_days_ms = config->series_days_ms,
        .series_hours_ms = config->series_hours_ms,
        .rewrites = config->redis_rewrite == REDIS_REWRITE_AUTO,
        .on_denied = on_denied,
        .on_denied_data = daemon,
    };
    struct store *store;

    config_redis_address(config, &options.link.address);
    store = redis_store_create(daemon->loop, &options, &reason);
    if (store == NULL) {
        log_error("redis.tls_ca: %s: %s", config->redis_tls_ca, reason);
    }
    return store;
}

static struct store *create_sqlite(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    char *path = config_expand(config, config->sqlite_path);
    struct sqlite_store_options options = {
        .path = path,
        .keep_tokens_ms = keep_tokens_ms(config),
        .ledger_ttl_ms = config->ledger_ttl_ms,
        .series_days_ms = config->series_days_ms,
        .series_hours_ms = config->series_hours_ms,
    };
    struct store *store;

    store = sqlite_store_create(daemon->loop, daemon->disk, &options);
    free(path);
    return store;
}

static bool create_store(struct daemon *daemon)
{
    static struct store *(*const create[STORE_BACKENDS])(struct daemon *) = {
#define STORE_BACKEND(id, name) [STORE_BACKEND_##id] = create_##name,
#include "config/store_backends.def"
#undef STORE_BACKEND
    };
    struct store_health health;

    daemon->store = create[config_store_backend(daemon->config)](daemon);
    if (daemon->store == NULL) {
        return false;
    }
    store_health(daemon->store, &health);
    log_info("store: %s %s (store.backend = \"%s\", from %s)", health.backend, health.address,
             store_backend_names[daemon->config->store_backend],
             daemon->config->sources[CONFIG_store_backend]);
    return true;
}

static struct engine_options engine_options(const struct config *config)
{
    return (struct engine_options){
        .max_wait_ms = config->count_max_wait_ms,
        .max_waiting = config->count_max_waiting,
        .has_many_sites = config_has_many_sites(config),
        .busy_poll_us = config->count_busy_poll_us,
        .retain_ms = config->ledger_retain_ms,
        .retain_max_bytes = config->ledger_retain_max_bytes,
        .retain_total_bytes = config->ledger_retain_total_bytes,
        .ledger_ttl_ms = config->ledger_ttl_ms,
    };
}

static void log_lines(enum log_level level, const char *prefix, const struct buf *lines)
{
    const char *line = lines->bytes;

    while (line != NULL && *line != '\0') {
        int length = (int)strcspn(line, "\n");

        log_write(level, "%s%.*s", prefix, length, line);
        line += line[length] == '\n' ? length + 1 : length;
    }
}

/* --- reload --- */

/*
 * Loads a configuration that can replace the current one. Returns NULL with the errors in
 * `message`. An unreadable file of a secret is not an error: the old secret stays, and the log has
 * a warning.
 */
static struct config *load_next(struct daemon *daemon, struct buf *message)
{
    struct buf warnings = BUF_EMPTY;
    struct config *next = config_load_again(daemon->request, daemon->config, &warnings, message);

    log_lines(LOG_LEVEL_WARNING, "reload: ", &warnings);
    buf_finish(&warnings);

    if (next != NULL && !config_check_reload(daemon->config, next, message)) {
        config_unload(next);
        return NULL;
    }
    return next;
}

static bool check(void *data, struct buf *message, struct buf *warnings)
{
    struct config *next = load_next(data, message);

    if (next != NULL) {
        config_list_warnings(next, warnings);
    }
    config_unload(next);
    return next != NULL;
}

static void replace_config(struct daemon *daemon, struct config *next)
{
    struct config *previous = daemon->config;
    struct engine_options options = engine_options(next);

    daemon->config = next;
    log_set_level((enum log_level)next->log_level);
    engine_configure(daemon->engine, &options);
    if (daemon->journal != NULL) {
        journal_configure(daemon->journal, next->journal_max_size_bytes);
    }
    if (config_store_backend(next) == STORE_BACKEND_REDIS) {
        redis_store_set_replica_grace(daemon->store, next->ledger_replica_grace_ms);
        redis_store_set_credentials(daemon->store, next->redis_username, next->redis_password);
    }
    app_configure(daemon->app, next);
    config_unload(previous);
}

static bool reload(void *data, struct buf *message, struct buf *warnings)
{
    struct daemon *daemon = data;
    struct config *next;

    systemd_notify_reloading();
    next = load_next(daemon, message);
    if (next != NULL) {
        replace_config(daemon, next);
        config_list_warnings(next, warnings);
        log_lines(LOG_LEVEL_WARNING, "reload: ", warnings);
        log_info("reload: done");
    } else {
        log_lines(LOG_LEVEL_ERROR, "reload refused, nothing was changed: ", message);
    }
    systemd_notify_ready();
    return next != NULL;
}

static void on_hangup(void *data, int signal)
{
    struct buf message = BUF_EMPTY;
    struct buf warnings = BUF_EMPTY;

    (void)signal;
    reload(data, &message, &warnings);
    buf_finish(&warnings);
    buf_finish(&message);
}

/* --- replay --- */

static bool is_same_directory(const char *one, const char *other)
{
    struct stat first;
    struct stat second;

    return stat(one, &first) == 0 && stat(other, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

static bool replay(void *data, const char *directory, struct buf *message)
{
    struct daemon *daemon = data;

    if (daemon->journal != NULL &&
        is_same_directory(directory, journal_directory(daemon->journal))) {
        buf_printf(message,
                   "journal %s: this is the instance's own; it is replayed without being told\n",
                   directory);
        return false;
    }
    if (daemon->disk == NULL) {
        daemon->disk = disk_create(daemon->loop);
    }
    return journal_takeovers_begin(daemon->takeovers, daemon->disk, directory, message);
}

/* --- drain --- */

static void finish_drain(struct daemon *daemon)
{
    loop_timer_stop(&daemon->drain_poll);
    loop_timer_stop(&daemon->drain_end);
    loop_stop(daemon->loop);
}

static void on_drain_poll(struct loop_timer *timer)
{
    struct daemon *daemon = container_of(timer, struct daemon, drain_poll);

    if (daemon->is_drained && engine_is_idle(daemon->engine)) {
        log_info("drain: done: every visit was answered");
        finish_drain(daemon);
    } else {
        loop_timer_start(daemon->loop, timer, DRAIN_POLL_MS);
    }
}

static void on_drain_end(struct loop_timer *timer)
{
    struct daemon *daemon = container_of(timer, struct daemon, drain_end);

    log_warning("drain: drain.timeout is over: %llu visits wait for the store and are refused, "
                "remaining connections are closed",
                (unsigned long long)engine_stats(daemon->engine)->waiting);
    finish_drain(daemon);
}

static void on_drained(void *data)
{
    struct daemon *daemon = data;

    daemon->is_drained = true;
}

static void drain(void *data)
{
    struct daemon *daemon = data;

    if (daemon->is_draining) {
        return;
    }
    daemon->is_draining = true;
    systemd_notify_stopping();
    systemd_notify_status("draining");
    log_info("drain: begins; ends within %llu ms",
             (unsigned long long)daemon->config->drain_timeout_ms);
    loop_timer_start_patience(daemon->loop, &daemon->drain_end, daemon->config->drain_timeout_ms);
    loop_timer_start(daemon->loop, &daemon->drain_poll, DRAIN_POLL_MS);
    app_drain(daemon->app, on_drained, daemon);
}

static void on_terminate(void *data, int signal)
{
    struct daemon *daemon = data;

    if (daemon->is_draining) {
        log_warning("drain: cut short by a second %s", signal == SIGINT ? "SIGINT" : "SIGTERM");
        finish_drain(daemon);
        return;
    }
    drain(daemon);
}

/* --- the service manager --- */

static void on_watchdog(struct loop_timer *timer)
{
    struct daemon *daemon = container_of(timer, struct daemon, watchdog);

    systemd_feed_watchdog();
    loop_timer_start(daemon->loop, timer, systemd_watchdog_interval_ms());
}

static void on_status(struct loop_timer *timer)
{
    struct daemon *daemon = container_of(timer, struct daemon, status);
    const struct stats *stats = engine_stats(daemon->engine);
    struct store_health health;
    bool has_error;

    store_health(daemon->store, &health);
    has_error = !health.available && health.last_error[0] != '\0';
    if (!daemon->is_draining) {
        systemd_notify_status(
            "%llu visits counted, %.0f/s; %s %s: %s%s%s", (unsigned long long)stats->applied,
            stats_rate(stats, loop_now_ms(daemon->loop)), health.backend, health.address,
            health.state, has_error ? ": " : "", has_error ? health.last_error : "");
    }
    loop_timer_start(daemon->loop, timer, STATUS_INTERVAL_MS);
}

static void start_service(struct daemon *daemon)
{
    if (systemd_watchdog_interval_ms() != 0) {
        on_watchdog(&daemon->watchdog);
    }
    if (getenv("NOTIFY_SOCKET") != NULL) {
        on_status(&daemon->status);
    }
    systemd_notify_ready();
}

/* --- the daemon itself --- */

static void log_warnings(const struct config *config)
{
    struct buf warnings = BUF_EMPTY;

    config_list_warnings(config, &warnings);
    log_lines(LOG_LEVEL_WARNING, "", &warnings);
    buf_finish(&warnings);
    if (geteuid() == 0) {
        log_warning("process: it runs as root, which it does not need; an error in it would give "
                    "away the machine: start it as a user of its own");
    }
}

/* each visitor needs a descriptor, and the default soft limit is low for programs with select(2) */
static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < config->http_max_connections + 64) {
        log_warning("descriptors: the limit of %llu is below http.max_connections; connections "
                    "beyond it wait",
                    (unsigned long long)limit.rlim_max);
    }
}

static void watch_signals(struct daemon *daemon)
{
    signal(SIGPIPE, SIG_IGN);
    loop_watch_signal(daemon->loop, SIGTERM, on_terminate, daemon);
    loop_watch_signal(daemon->loop, SIGINT, on_terminate, daemon);
    loop_watch_signal(daemon->loop, SIGHUP, on_hangup, daemon);
}

static bool create_app(struct daemon *daemon)
{
    int first;
    size_t count = systemd_acquire_sockets(&first);
    int inherited[count + 1];
    struct buf errors = BUF_EMPTY;
    struct app_options options = {
        .loop = daemon->loop,
        .config = daemon->config,
        .engine = daemon->engine,
        .store = daemon->store,
        .takeovers = daemon->takeovers,
        .actions =
            {.data = daemon, .reload = reload, .check = check, .drain = drain, .replay = replay},
        .inherited = inherited,
        .inherited_count = count,
    };

    for (size_t i = 0; i < count; i++) {
        inherited[i] = first + (int)i;
    }
    daemon->app = app_create(&options, &errors);
    if (daemon->app == NULL) {
        log_lines(LOG_LEVEL_ERROR, "", &errors);
    }
    buf_finish(&errors);
    return daemon->app != NULL;
}

/* creates the disk thread if a journal or the store may need it: all but Redis */
static void create_disk(struct daemon *daemon)
{
    if (config_store_backend(daemon->config) != STORE_BACKEND_REDIS ||
        *daemon->config->journal_directory != '\0') {
        daemon->disk = disk_create(daemon->loop);
    }
}

static bool create_journal(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    char *directory = config_expand(config, config->journal_directory);
    struct journal_options options = {directory, config->journal_max_size_bytes};
    struct buf errors = BUF_EMPTY;
    bool is_wanted = *directory != '\0';

    if (is_wanted) {
        daemon->journal = journal_open(daemon->loop, daemon->disk, &options, engine_restore,
                                       daemon->engine, &errors);
        log_lines(LOG_LEVEL_ERROR, "", &errors);
    }
    if (daemon->journal != NULL) {
        const struct journal_status *status = journal_status(daemon->journal);

        log_info("journal %s: open, with %llu visits for the store", directory,
                 (unsigned long long)status->visits);
        if (status->aside_visits != 0) {
            log_warning(
                "journal %s: %llu visits are set aside, since their site was repaired: "
                "visitcountctl journal aside %s; remove *.aside when you have decided about "
                "them",
                directory, (unsigned long long)status->aside_visits, directory);
        }
        engine_use_journal(daemon->engine, daemon->journal);
    }
    buf_finish(&errors);
    free(directory);
    return !is_wanted || daemon->journal != NULL;
}

static bool create_parts(struct daemon *daemon)
{
    struct engine_options options = engine_options(daemon->config);

    daemon->loop = loop_create();
    memory_init(&daemon->memory, daemon->loop);
    watch_signals(daemon);
    create_disk(daemon);
    password_init(&daemon->password, daemon->loop, on_password, daemon);
    if (!create_store(daemon)) {
        return false;
    }
    daemon->engine = engine_create(daemon->loop, daemon->store, &options);
    daemon->takeovers = journal_takeovers_create(daemon->loop, daemon->engine);
    return create_journal(daemon) && create_app(daemon);
}

static void destroy_parts(struct daemon *daemon)
{
    loop_timer_stop(&daemon->watchdog);
    loop_timer_stop(&daemon->status);
    memory_finish(&daemon->memory);
    if (daemon->engine != NULL) {
        engine_abandon(daemon->engine); /* first, while the server can still send the answers */
    }
    app_destroy(daemon->app);
    if (daemon->journal != NULL) {
        engine_use_journal(daemon->engine, NULL);
        journal_close(daemon->journal); /* reports the result of pending writes to the engine */
    }
    journal_takeovers_destroy(daemon->takeovers);
    engine_destroy(daemon->engine);
    store_destroy(daemon->store);
    daemon->store = NULL;
    password_finish(&daemon->password);
    disk_destroy(daemon->disk);
    loop_destroy(daemon->loop);
    config_unload(daemon->config);
}

int daemon_run(const struct config_request *request, struct config *config)
{
    struct daemon daemon = {.request = request, .config = config};
    int status = EX_CONFIG;

    log_set_level((enum log_level)config->log_level);
    raise_descriptor_limit(config);
    loop_timer_init(&daemon.watchdog, on_watchdog);
    loop_timer_init(&daemon.status, on_status);
    loop_timer_init(&daemon.drain_poll, on_drain_poll);
    loop_timer_init(&daemon.drain_end, on_drain_end);
    if (create_parts(&daemon)) {
        log_warnings(config);
        start_service(&daemon);
        loop_run(daemon.loop);
        status = EX_OK;
    }
    destroy_parts(&daemon);
    return status;
}
