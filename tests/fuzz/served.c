/* SPDX-License-Identifier: MIT */
#include "served.h"

#include "base/alloc.h"
#include "base/log.h"
#include "config/config.h"
#include "count/engine.h"
#include "count/journal_takeover.h"
#include "daemon/app.h"
#include "fill.h"
#include "full_store.h"
#include "fuzz.h"
#include "http/request/app.h"
#include "loop/loop.h"
#include "support/fake_clock.h"
#include "support/fake_database.h"
#include "support/fake_random.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* one turn each: accept, read and route, send to the store, answer, write; and some more */
#define TURNS        8
#define FILLED_TURNS 3 /* in which requests are read and their answers written */

/* more than a server and its clients have */
#define DESCRIPTORS 64

/* a step of served_wait(): longer than the engine's look at visits that wait for too long */
#define STEP_MS   500
#define STEPS_MAX 64

/* what a timer sets off: its callback, a task, and what that sends */
#define TURNS_PER_STEP 4

#define MONOTONIC_MS 1000000
#define WALL_MS      (480000 * UINT64_C(3600000) + 1234)

/* every rule that a site can have: who may count, how often, and who may look */
static const char configuration[] =
    "instance = \"fuzz\";\n"
    "admin: { socket = \"%s/admin.sock\"; };\n"
    "dashboard: { password = \"let me in, please\"; };\n"
    "limits: { sites = 3; pages = 5; new_pages = \"4/1m\"; new_sites = \"2/1m\";\n"
    "          idempotency_keys = \"4/1h\"; live = 3; live_per_network = 2; };\n"
    "visitors: { new_daily = 3; };\n"
    "ignore: { networks = [\"198.51.100.0/24\"]; };\n"
    "sites = (\"default\",\n"
    "         { name = \"own\"; origins = [\"https://own.example\"]; aliases = [\"alias\"]; },\n"
    "         { name = \"private\"; count = \"unique\"; bots = \"count\"; dashboard = \"private\"; },\n"
    "         { name = \"open\"; rate = \"2/1m\"; dashboard = \"public\"; timezone = \"Etc/GMT-3\"; },\n"
    "         \"*\");\n";

struct client {
    int fd; /* -1: closed */
    struct buf received;
};

struct served {
    struct loop *loop;
    struct fake_database *database;
    struct fake_store *store;
    struct engine *engine;
    struct journal_takeovers *takeovers;
    struct app *app;
    struct client clients[SERVED_CLIENTS_MAX];
    size_t count;
    size_t current;
    bool was_open[DESCRIPTORS]; /* before the server began */
};

/* --- what all servers of this process share --- */

int gettimeofday(struct timeval *ret_now, void *zone);

/* libh2o's clock, on which a visit's day depends, goes with the others */
int gettimeofday(struct timeval *ret_now, void *zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_now = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

/* descriptors that libh2o 2.2.5 leaves open: the epoll instance of a loop */
#define LEFT_OPEN 1

struct group *__wrap_getgrnam(const char *name);

/* the group of the admin socket: a look-up takes longer than all the rest of an input */
struct group *__wrap_getgrnam(const char *name)
{
    (void)name;
    return NULL;
}

static char directory[512];
static struct config *config;
static int visitors_fd; /* a socket that listens; each server gets a copy */

static struct sockaddr_un visitors_address = {.sun_family = AF_UNIX};
static struct sockaddr_un admin_address = {.sun_family = AF_UNIX};

static void remove_directory(void)
{
    rmdir(directory);
}

static void make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    int length = snprintf(directory, sizeof(directory), "%s/visitcountd-fuzz-XXXXXX",
                          parent != NULL ? parent : "/tmp");

    check_that(length > 0 && (size_t)length < sizeof(directory));
    check_that(mkdtemp(directory) != NULL);
    atexit(remove_directory);
    length = snprintf(admin_address.sun_path, sizeof(admin_address.sun_path), "%s/admin.sock",
                      directory);
    check_that((size_t)length < sizeof(admin_address.sun_path));
}

static struct config *load_config(void)
{
    struct config_request request = {.file = NULL};
    struct buf errors = BUF_EMPTY;
    struct config *loaded;
    char path[32];
    int fd = memfd_create("config", MFD_CLOEXEC);

    check_that(fd >= 0 && dprintf(fd, configuration, directory) > 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    request.file = path;
    loaded = config_load(&request, &errors);
    if (loaded == NULL) {
        fputs(errors.bytes, stderr);
    }
    check_that(loaded != NULL);
    buf_finish(&errors);
    close(fd);
    return loaded;
}

/* an abstract name, which leaves no file behind */
static void open_visitors(void)
{
    snprintf(visitors_address.sun_path + 1, sizeof(visitors_address.sun_path) - 1,
             "visitcountd-fuzz-%ld", (long)getpid());
    visitors_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check_that(visitors_fd >= 0);
    check_that(bind(visitors_fd, (struct sockaddr *)&visitors_address, sizeof(visitors_address)) ==
               0);
    check_that(listen(visitors_fd, SERVED_CLIENTS_MAX) == 0);
}

static void prepare(void)
{
    if (config == NULL) {
        make_directory();
        config = load_config();
        open_visitors();

        signal(SIGPIPE, SIG_IGN);
    }
}

const struct config *served_config(void)
{
    prepare();
    return config;
}

/* --- what the admin socket can ask of the daemon --- */

static bool refuse_reload(void *data, struct buf *message, struct buf *warnings)
{
    (void)warnings;
    (void)data;
    buf_puts(message, "fuzz.conf:1: redis.prot: unknown option\n");
    return false;
}

static bool accept_check(void *data, struct buf *message, struct buf *warnings)
{
    (void)warnings;
    (void)data;
    buf_puts(message, "limits.pages: 5 -> 6\n");
    return true;
}

static void on_drained(void *data)
{
    (void)data;
}

static void drain(void *data)
{
    struct served *served = data;

    app_drain(served->app, on_drained, NULL);
}

static bool refuse_replay(void *data, const char *path, struct buf *message)
{
    (void)data;
    buf_printf(message, "journal %s: no such directory\n", path);
    return false;
}

/* --- the server --- */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void note_descriptors(bool ret_is_open[DESCRIPTORS])
{
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        ret_is_open[fd] = is_open(fd);
    }
}

/* Closes what libh2o has left open, and checks that it is no more than that. */
static void close_descriptors(const bool was_open[DESCRIPTORS])
{
    size_t count = 0;

    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        check_that(is_open(fd) || !was_open[fd]);
        count += !was_open[fd] && close(fd) == 0;
    }
    check_that(count == LEFT_OPEN);
}

static void create_app(struct served *served)
{
    int listener = dup(visitors_fd);
    struct buf errors = BUF_EMPTY;
    struct app_options options = {.loop = served->loop,
                                  .config = config,
                                  .engine = served->engine,
                                  .store = &served->store->store,
                                  .takeovers = served->takeovers,
                                  .actions = {.data = served,
                                              .reload = refuse_reload,
                                              .check = accept_check,
                                              .drain = drain,
                                              .replay = refuse_replay},
                                  .inherited = &listener,
                                  .inherited_count = 1};

    check_that(listener >= 0);
    served->app = app_create(&options, &errors);
    if (served->app == NULL) {
        fputs(errors.bytes, stderr);
    }
    check_that(served->app != NULL && errors.length == 0);
    buf_finish(&errors);
}

struct served *served_create(void)
{
    const struct engine_options options = {.max_wait_ms = 1000,
                                           .max_waiting = 8,
                                           .has_many_sites = true,
                                           .retain_ms = 60000,
                                           .retain_max_bytes = 1 << 20,
                                           .ledger_ttl_ms = 604800000};
    struct served *served = alloc_zero(1, sizeof(*served));

    prepare();
    note_descriptors(served->was_open);
    fake_clock_stop(MONOTONIC_MS, WALL_MS);
    fake_random_seed(1);
    log_set_level(LOG_LEVEL_ERROR); /* a command may have changed it */
    served->loop = loop_create();
    served->database = fake_database_create();
    served->store = full_store_create(served->loop, served->database);
    served->engine = engine_create(served->loop, &served->store->store, &options);
    served->takeovers = journal_takeovers_create(served->loop, served->engine);
    create_app(served);
    loop_turn(served->loop, TURNS);
    return served;
}

void served_destroy(struct served *served)
{
    for (size_t i = 0; i < served->count; i++) {
        served->current = i;
        served_close(served, false);
    }
    served_set_available(served, true);
    full_store_set_fate(served->store, FAKE_DONE);
    engine_abandon(served->engine);
    app_destroy(served->app);
    journal_takeovers_destroy(served->takeovers);
    engine_destroy(served->engine);
    store_destroy(&served->store->store);
    fake_database_destroy(served->database);
    loop_destroy(served->loop);
    for (size_t i = 0; i < served->count; i++) {
        buf_finish(&served->clients[i].received);
    }
    close_descriptors(served->was_open);
    free(served);
    fake_clock_release();
    fake_random_release();
}

/* --- clients --- */

/* lets the server take what arrived, in the first turns over a stack that is filled anew */
static void turn(struct served *served)
{
    for (unsigned i = 0; i < FILLED_TURNS; i++) {
        fill_stack();
        loop_turn(served->loop, 1);
    }
    loop_turn(served->loop, TURNS - FILLED_TURNS);
}

static void receive(struct client *client)
{
    char bytes[16384];
    ssize_t count;

    while (client->fd >= 0 && (count = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != 0) {
        if (count < 0) {
            check_that(errno == EAGAIN || errno == ECONNRESET);
            return;
        }
        buf_append(&client->received, bytes, (size_t)count);
    }
}

static void receive_all(struct served *served)
{
    for (size_t i = 0; i < served->count; i++) {
        receive(&served->clients[i]);
    }
}

bool served_connect(struct served *served, bool is_admin)
{
    const struct sockaddr_un *address = is_admin ? &admin_address : &visitors_address;
    struct client *client = &served->clients[served->count];

    if (served->count == SERVED_CLIENTS_MAX || (!is_admin && served->app->is_draining)) {
        return false;
    }
    served->current = served->count++;
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check_that(client->fd >= 0);
    check_that(connect(client->fd, (const struct sockaddr *)address, sizeof(*address)) == 0);
    loop_turn(served->loop, 2);
    return true;
}

bool served_choose(struct served *served, size_t client)
{
    if (client >= served->count) {
        return false;
    }
    served->current = client;
    return true;
}

void served_send(struct served *served, const uint8_t *bytes, size_t length)
{
    struct client *client = &served->clients[served->current];

    while (length != 0 && served->count != 0 && client->fd >= 0) {
        ssize_t count = send(client->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (count < 0) {
            return; /* the server has closed the connection, or waits with its answer */
        }
        bytes += count;
        length -= (size_t)count;
        turn(served);
        receive_all(served);
    }
}

void served_close(struct served *served, bool only_sending)
{
    struct client *client = &served->clients[served->current];

    if (served->count == 0 || client->fd < 0) {
        return;
    }
    receive(client);
    if (only_sending) {
        (void)shutdown(client->fd, SHUT_WR);
    } else {
        close(client->fd);
        client->fd = -1;
    }
    loop_turn(served->loop, TURNS);
    receive_all(served);
}

/* --- the store and the clocks --- */

void served_set_fate(struct served *served, enum fake_fate fate)
{
    full_store_set_fate(served->store, fate);
}

void served_set_available(struct served *served, bool is_available)
{
    if (is_available && !served->store->available) {
        fake_store_come_back(served->store);
    } else if (!is_available && served->store->available) {
        fake_store_go_away(served->store, FAKE_REFUSED_ALL);
    }
    turn(served);
    receive_all(served);
}

void served_wait(struct served *served, uint64_t ms)
{
    for (unsigned i = 0; i < STEPS_MAX && ms != 0; i++) {
        uint64_t step_ms = ms < STEP_MS || i == STEPS_MAX - 1 ? ms : STEP_MS;

        fake_clock_advance(step_ms);
        loop_turn(served->loop, TURNS_PER_STEP);
        ms -= step_ms;
    }
    turn(served);
    receive_all(served);
}

uint64_t served_visits(const struct served *served)
{
    return fake_database_visits(served->database);
}

const struct stats *served_stats(const struct served *served)
{
    return engine_stats(served->engine);
}

const struct buf *served_received(const struct served *served, size_t client)
{
    return &served->clients[client].received;
}

size_t served_client_count(const struct served *served)
{
    return served->count;
}
