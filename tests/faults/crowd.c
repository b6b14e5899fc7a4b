/* SPDX-License-Identifier: MIT */
/*
 * crowd: many visitors who record every answer, for tests/faults/chaos.
 *
 *     crowd [pace=MS] GROUP...      GROUP: key=value,…  see parse_group()
 *
 * Each connection sends a visit, reads the answer and goes on; with `pace`, after that time. Each
 * visit ends as counted (with a number), refused (not counted) or doubtful (no answer, or the
 * answer `unknown`). Most connections have a page of their own, so that a missing visit cannot
 * cancel out an extra one. Connection C counts /own/GROUP/C/1 until a visit is doubtful, and from
 * then on /own/GROUP/C/2. Its numbers must be 1, 2, 3 …
 *
 * A group with `key` sends an Idempotency-Key and repeats the visit under the same key until it is
 * counted. Then no visit is doubtful. A group with `stamp` sends an X-Request-Id as nginx makes it,
 * and never repeats. With `twin` each key or stamp goes to two pages, which are two visits.
 *
 * Standard input: "stop", or its end: no further visits. "forgot SITE": the store has lost keys of
 * the site. Then each attempt without an answer until now makes one visit of its page doubtful.
 * "only SITE": visitors of other sites pause, until "all".
 *
 * Standard output: ten times a second the groups and a line "at COUNTED SENT"; at the end the
 * results, which chaos compares with the store:
 *     page GROUP SITE PAGE COUNTED DOUBTFUL
 *     group NAME COUNTED REFUSED DOUBTFUL JOURNALED REPEATED DISORDERED KEY_REFUSALS
 *     all SENT TWICE HUNG LONGEST_REFUSAL_MS LONGEST_WAIT_MS
 *     refusal CODE TEXT        the longest refusal so far has ended, with this last reason
 *     wait TEXT                the longest wait for an answer so far
 *     disordered GROUP TEXT    the first number of a group that is out of order
 *     other TEXT               an unexpected answer
 */
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS  25    /* after a refusal, and before a connection is made again */
#define HUNG_MS   30000 /* an answer that takes longer will not come */
#define REPORT_MS 100

struct group groups[GROUPS_MAX];
int group_count;
struct crowd_sums sums;

static struct visitor *visitors;
static int visitor_count;
static struct visitor *first_paused, **last_paused = &first_paused;
static int poll_fd;
static int run; /* makes the keys of this run unique */
static bool is_stopping;
static int open_visitors;
static uint64_t pace_ms; /* the same for all visitors, so they go on in the order of their pauses */
static char only_site[sizeof(groups[0].site)]; /* of visitors that go on; empty: all */

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t crowd_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

void crowd_fail(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- connections --- */

static void pause_visitor(struct visitor *visitor)
{
    visitor->state = PAUSED;
    visitor->resume_at_ms = crowd_now_ms() + PAUSE_MS + pace_ms;
    visitor->next_paused = NULL;
    *last_paused = visitor;
    last_paused = &visitor->next_paused;
}

static void close_visitor(struct visitor *visitor)
{
    if (visitor->fd >= 0) {
        close(visitor->fd);
        visitor->fd = -1;
    }
    visitor->length = 0;
}

static void finish_visitor(struct visitor *visitor)
{
    close_visitor(visitor);
    book_finish_page(visitor, 0);
    visitor->is_done = true;
    open_visitors--;
}

static void watch(struct visitor *visitor, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = visitor};

    if (epoll_ctl(poll_fd, operation, visitor->fd, &event) != 0) {
        crowd_fail("epoll_ctl");
    }
}

static void connect_visitor(struct visitor *visitor)
{
    const struct sockaddr_in *address = &visitor->group->address;
    int yes = 1;

    visitor->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (visitor->fd < 0) {
        crowd_fail("socket");
    }
    setsockopt(visitor->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (connect(visitor->fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
        errno != EINPROGRESS) {
        close_visitor(visitor);
        pause_visitor(visitor);
        return;
    }
    visitor->state = CONNECTING;
    watch(visitor, EPOLL_CTL_ADD, EPOLLOUT);
}

/* the header with the token of a visit; empty if the group has none */
static void format_token(struct visitor *visitor, char *header, size_t size)
{
    const struct group *group = visitor->group;
    uint64_t number = group->is_twin ? visitor->visit / SIDES_MAX : visitor->visit;

    header[0] = '\0';
    if (group->has_key) {
        snprintf(header, size, "Idempotency-Key: %d.%d.%llu\r\n", run, visitor->number,
                 (unsigned long long)number);
    } else if (group->has_stamp) {
        if (book_side(visitor) == 0) {
            visitor->stamp_ms = clock_ms(CLOCK_REALTIME);
        }
        snprintf(header, size, "X-Request-Id: %010llu.%03llu-%08x%08x%016llx\r\n",
                 (unsigned long long)visitor->stamp_ms / 1000,
                 (unsigned long long)visitor->stamp_ms % 1000, (unsigned)run,
                 (unsigned)visitor->number, (unsigned long long)number);
    }
}

static void send_visit(struct visitor *visitor)
{
    const struct group *group = visitor->group;
    char page[128];
    char token[96];
    char request[512];
    int length;

    if (is_stopping && !visitor->is_open) {
        finish_visitor(visitor);
        return;
    }
    if (only_site[0] != '\0' && strcmp(group->site, only_site) != 0) {
        pause_visitor(visitor);
        return;
    }
    book_format_page(visitor, page, sizeof(page));
    format_token(visitor, token, sizeof(token));
    length = snprintf(request, sizeof(request), "%s /v1/hit/%s%s HTTP/1.1\r\nHost: x\r\n%s%s\r\n",
                      group->method, group->site, page, token,
                      group->method[0] == 'P' ? "Content-Length: 0\r\n" : "");
    if (send(visitor->fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
        /* the connection was closed before a byte was sent */
        close_visitor(visitor);
        pause_visitor(visitor);
        return;
    }
    sums.sent++;
    visitor->is_open = true;
    visitor->state = WAITING;
    visitor->sent_at_ms = crowd_now_ms();
}

static void take_answer(struct visitor *visitor)
{
    bool closes, goes_on;

    if (!answer_take(visitor, &closes, &goes_on)) {
        return;
    }
    if (closes) {
        close_visitor(visitor);
    }
    if (!goes_on || pace_ms != 0) {
        pause_visitor(visitor);
    } else if (closes) {
        connect_visitor(visitor);
    } else {
        send_visit(visitor);
    }
}

/* --- events --- */

static void on_broken(struct visitor *visitor)
{
    bool was_waiting = visitor->state == WAITING;

    close_visitor(visitor);
    if (was_waiting) {
        book_doubtful(visitor);
    }
    if (visitor->state != PAUSED) {
        pause_visitor(visitor);
    }
}

static void on_readable(struct visitor *visitor)
{
    ssize_t got = recv(visitor->fd, visitor->received + visitor->length,
                       RECEIVED_MAX - 1 - visitor->length, 0);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        on_broken(visitor);
        return;
    }
    visitor->length += (size_t)got;
    visitor->received[visitor->length] = '\0';
    if (visitor->state != WAITING) {
        answer_note_other(visitor->received); /* an answer without a request */
        on_broken(visitor);
        return;
    }
    take_answer(visitor);
}

static void on_event(struct visitor *visitor, uint32_t events)
{
    if (visitor->fd < 0) {
        return;
    }
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 && visitor->state == CONNECTING) {
        on_broken(visitor);
    } else if (visitor->state == CONNECTING) {
        watch(visitor, EPOLL_CTL_MOD, EPOLLIN);
        send_visit(visitor);
    } else {
        on_readable(visitor);
    }
}

static void resume_paused(uint64_t now)
{
    while (first_paused != NULL && first_paused->resume_at_ms <= now) {
        struct visitor *visitor = first_paused;

        first_paused = visitor->next_paused;
        if (first_paused == NULL) {
            last_paused = &first_paused;
        }
        if (is_stopping && !visitor->is_open) {
            finish_visitor(visitor);
        } else if (visitor->fd < 0) {
            connect_visitor(visitor);
        } else {
            send_visit(visitor);
        }
    }
}

static void end_hung(uint64_t now)
{
    for (int i = 0; i < visitor_count; i++) {
        struct visitor *visitor = &visitors[i];

        if (!visitor->is_done && visitor->state == WAITING && now - visitor->sent_at_ms > HUNG_MS) {
            sums.hung++;
            on_broken(visitor);
        }
    }
}

static void forget_keys(const char *site)
{
    for (int i = 0; i < visitor_count; i++) {
        if (strcmp(visitors[i].group->site, site) == 0) {
            book_forget_keys(&visitors[i]);
        }
    }
}

static void obey(const char *order)
{
    if (strncmp(order, "forgot ", 7) == 0) {
        forget_keys(order + 7);
    } else if (strncmp(order, "only ", 5) == 0) {
        snprintf(only_site, sizeof(only_site), "%s", order + 5);
    } else if (strcmp(order, "all") == 0) {
        only_site[0] = '\0';
    } else if (strcmp(order, "stop") == 0) {
        is_stopping = true;
    } else {
        fprintf(stderr, "crowd: \"%s\" is not understood\n", order);
        exit(64);
    }
}

/* reads whole lines; each is written at once, so none is cut */
static void read_orders(void)
{
    char orders[1024];
    ssize_t got = read(STDIN_FILENO, orders, sizeof(orders) - 1);
    char *rest = orders;
    char *order;

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        is_stopping = true;
        return;
    }
    orders[got] = '\0';
    while ((order = strsep(&rest, "\n")) != NULL) {
        if (*order != '\0') {
            obey(order);
        }
    }
}

static void turn(void)
{
    struct epoll_event events[256];
    int count = epoll_wait(poll_fd, events, 256, 10);

    if (count < 0 && errno != EINTR) {
        crowd_fail("epoll_wait");
    }
    for (int i = 0; i < count; i++) {
        on_event(events[i].data.ptr, events[i].events);
    }
    resume_paused(crowd_now_ms());
}

/* --- main --- */

static void parse_word(struct group *group, const char *name, const char *value)
{
    if (strcmp(name, "name") == 0) {
        snprintf(group->name, sizeof(group->name), "%s", value);
    } else if (strcmp(name, "site") == 0) {
        snprintf(group->site, sizeof(group->site), "%s", value);
    } else if (strcmp(name, "method") == 0) {
        snprintf(group->method, sizeof(group->method), "%s", value);
    } else if (strcmp(name, "port") == 0) {
        group->address.sin_port = htons((uint16_t)atoi(value));
    } else if (strcmp(name, "connections") == 0) {
        group->connections = atoi(value);
    } else if (strcmp(name, "key") == 0) {
        group->has_key = atoi(value) != 0;
    } else if (strcmp(name, "stamp") == 0) {
        group->has_stamp = atoi(value) != 0;
    } else if (strcmp(name, "twin") == 0) {
        group->is_twin = atoi(value) != 0;
    } else if (strcmp(name, "shared") == 0 && atoi(value) <= SHARED_MAX) {
        group->shared = atoi(value);
    } else {
        fprintf(stderr, "crowd: %s=%s is not understood\n", name, value);
        exit(64);
    }
}

/* name=a,site=default,port=8080,connections=50,method=GET,key=0,stamp=0,twin=0,shared=0 */
static void parse_group(char *text)
{
    struct group *group = &groups[group_count++];
    char *word;

    group->address.sin_family = AF_INET;
    group->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(group->site, sizeof(group->site), "default");
    snprintf(group->method, sizeof(group->method), "GET");
    while ((word = strsep(&text, ",")) != NULL) {
        char *value = strchr(word, '=');

        if (value == NULL) {
            value = word + strlen(word);
        } else {
            *value++ = '\0';
        }
        parse_word(group, word, value);
    }
    visitor_count += group->connections;
    book_use_shared(group);
}

static void create_visitors(void)
{
    int number = 0;

    visitors = calloc((size_t)visitor_count, sizeof(*visitors));
    if (visitors == NULL) {
        crowd_fail("calloc");
    }
    for (int i = 0; i < group_count; i++) {
        for (int j = 0; j < groups[i].connections; j++) {
            struct visitor *visitor = &visitors[number];

            visitor->group = &groups[i];
            visitor->number = number++;
            visitor->generation = 1;
            visitor->fd = -1;
            connect_visitor(visitor);
        }
    }
    open_visitors = visitor_count;
}

int main(int argc, char **argv)
{
    uint64_t reported_at_ms = 0;

    if (argc < 2 || argc - 1 > GROUPS_MAX) {
        fprintf(stderr, "usage: crowd [pace=MS] GROUP...\n");
        return 64;
    }
    run = (int)getpid();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "pace=", 5) == 0) {
            pace_ms = strtoull(argv[i] + 5, NULL, 10);
        } else {
            parse_group(argv[i]);
        }
    }
    create_visitors();
    while (open_visitors > 0) {
        uint64_t now;

        turn();
        now = crowd_now_ms();
        if (now - reported_at_ms >= REPORT_MS) {
            reported_at_ms = now;
            read_orders();
            end_hung(now);
            book_print_groups();
            printf("at %llu %llu\n", (unsigned long long)sums.counted,
                   (unsigned long long)sums.sent);
            fflush(stdout);
        }
    }
    book_print_groups();
    book_print_rest();
    return 0;
}
