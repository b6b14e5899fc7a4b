/* SPDX-License-Identifier: MIT */
/*
 * crowd: many visitors who write down what they were answered, for tests/faults/chaos.
 *
 *     crowd GROUP...      GROUP: key=value,…  see parse_group()
 *
 * Each connection sends a visit, takes the answer, goes on. Whatever happens, each visit that was
 * sent ends as counted (with a number), refused (certainly not counted) or doubtful (no answer, or
 * one that says so). Most have a page of their own, so that one visit too few or too many cannot
 * hide behind another: connection C counts /own/GROUP/C/1 until a visit is doubtful, and from then
 * on /own/GROUP/C/2. Its numbers must be 1, 2, 3 …
 *
 * A group with `key` sends an Idempotency-Key and asks again under the same key until the visit is
 * counted; then nothing is doubtful.
 *
 * Standard output: a line "at COUNTED SENT" ten times a second; after "stop", or the end of
 * standard input, what was found, for chaos to compare with the store:
 *     page GROUP SITE PAGE COUNTED DOUBTFUL
 *     group NAME COUNTED REFUSED DOUBTFUL JOURNALED REPEATED DISORDERED
 *     all SENT TWICE HUNG LONGEST_REFUSAL_MS LONGEST_WAIT_MS
 *     refusal CODE TEXT        the longest so far has ended; what it was told last
 *     disordered GROUP TEXT    the first number of a group that is not the one that follows
 *     other TEXT               an answer that is none of the above
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GROUPS_MAX   32
#define SHARED_MAX   8
#define RECEIVED_MAX 8192
#define PAUSE_MS     25    /* after a refusal, and before a connection is made again */
#define HUNG_MS      30000 /* an answer that takes longer will not come */
#define REPORT_MS    100
#define OTHERS_MAX   5

/* a page of all connections, whose numbers must be different */
struct shared {
    uint64_t counted;
    uint64_t doubtful;
    unsigned char *given; /* by number */
    size_t capacity;
    bool is_used;
};

struct group {
    char name[32];
    char site[32];
    char method[8];
    struct sockaddr_in address;
    int connections;
    bool has_key;
    int shared; /* number of the shared page, or 0: each connection has its own */
    uint64_t counted, refused, doubtful, journaled, repeated, disordered;
};

enum state { PAUSED, CONNECTING, WAITING };

struct visitor {
    struct group *group;
    struct visitor *next_paused;
    enum state state;
    int fd;
    int number;
    unsigned generation; /* of the own page */
    uint64_t counted;    /* on the own page */
    uint64_t visit;      /* number of the visit, which is in its key */
    bool is_open;        /* keyed: was sent before, and is not known to be counted */
    bool is_done;        /* after the stop */
    bool is_unordered;   /* an answer was an estimate */
    uint64_t sent_at_ms;
    uint64_t resume_at_ms;
    uint64_t refused_since_ms; /* 0: the last visit was counted */
    const char *refused_with;  /* the code of the last refusal */
    size_t length;
    char received[RECEIVED_MAX];
};

static struct group groups[GROUPS_MAX];
static int group_count;
static struct visitor *visitors;
static int visitor_count;
static struct shared shared_pages[SHARED_MAX + 1];
static struct visitor *first_paused, **last_paused = &first_paused;
static int poll_fd;
static int run; /* makes keys those of this run */
static bool is_stopping;
static uint64_t counted, sent, twice, hung, longest_refusal_ms, longest_wait_ms;
static int open_visitors, others;

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void fail(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- pages --- */

static void format_page(const struct visitor *visitor, char *page, size_t size)
{
    const struct group *group = visitor->group;

    if (group->shared != 0) {
        snprintf(page, size, "/shared/%d", group->shared);
    } else {
        snprintf(page, size, "/own/%s/%d/%u", group->name, visitor->number, visitor->generation);
    }
}

/* says what the own page must have in the store; the next visit is of another */
static void finish_page(struct visitor *visitor, int doubtful)
{
    char page[128];

    if (visitor->group->shared == 0 && (visitor->counted != 0 || doubtful != 0)) {
        format_page(visitor, page, sizeof(page));
        printf("page %s %s %s %llu %d\n", visitor->group->name, visitor->group->site, page,
               (unsigned long long)visitor->counted, doubtful);
    }
    visitor->generation++;
    visitor->counted = 0;
    visitor->is_unordered = false;
}

static void note_shared_number(struct shared *page, uint64_t number)
{
    if (number >= page->capacity) {
        size_t capacity = number * 2 + 1024;

        page->given = realloc(page->given, capacity);
        if (page->given == NULL) {
            fail("realloc");
        }
        memset(page->given + page->capacity, 0, capacity - page->capacity);
        page->capacity = capacity;
    }
    if (page->given[number]++ == 1) {
        twice++;
    }
}

/* --- connections --- */

static void pause_visitor(struct visitor *visitor)
{
    visitor->state = PAUSED;
    visitor->resume_at_ms = now_ms() + PAUSE_MS;
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
    finish_page(visitor, 0);
    visitor->is_done = true;
    open_visitors--;
}

static void watch(struct visitor *visitor, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = visitor};

    if (epoll_ctl(poll_fd, operation, visitor->fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

static void connect_visitor(struct visitor *visitor)
{
    const struct sockaddr_in *address = &visitor->group->address;
    int yes = 1;

    visitor->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (visitor->fd < 0) {
        fail("socket");
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

static void send_visit(struct visitor *visitor)
{
    const struct group *group = visitor->group;
    char page[128];
    char key[64] = "";
    char request[512];
    int length;

    if (is_stopping && !visitor->is_open) {
        finish_visitor(visitor);
        return;
    }
    format_page(visitor, page, sizeof(page));
    if (group->has_key) {
        snprintf(key, sizeof(key), "Idempotency-Key: %d.%d.%llu\r\n", run, visitor->number,
                 (unsigned long long)visitor->visit);
    }
    length = snprintf(request, sizeof(request), "%s /v1/hit/%s%s HTTP/1.1\r\nHost: x\r\n%s%s\r\n",
                      group->method, group->site, page, key,
                      group->method[0] == 'P' ? "Content-Length: 0\r\n" : "");
    if (send(visitor->fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
        /* it was closed before a byte went out */
        close_visitor(visitor);
        pause_visitor(visitor);
        return;
    }
    sent++;
    visitor->is_open = true;
    visitor->state = WAITING;
    visitor->sent_at_ms = now_ms();
}

/* --- what became of a visit --- */

static void end_visit(struct visitor *visitor)
{
    visitor->is_open = false;
    visitor->visit++;
}

/* the page may have one more than was answered */
static void end_doubtful(struct visitor *visitor)
{
    if (visitor->group->shared != 0) {
        shared_pages[visitor->group->shared].doubtful++;
    }
    finish_page(visitor, 1);
    end_visit(visitor);
}

static void note_doubtful(struct visitor *visitor)
{
    visitor->group->doubtful++;
    if (!visitor->group->has_key) { /* else it is asked again, under the same key */
        end_doubtful(visitor);
    }
}

static void note_refused(struct visitor *visitor, const char *code)
{
    visitor->group->refused++;
    visitor->refused_with = code;
    if (visitor->refused_since_ms == 0) {
        visitor->refused_since_ms = visitor->sent_at_ms;
    }
    if (visitor->group->has_key) {
        return; /* an earlier attempt may have been counted: it is asked again */
    }
    end_visit(visitor);
}

static void note_end_of_refusal(const struct visitor *visitor, uint64_t lasted_ms)
{
    if (lasted_ms > longest_refusal_ms) {
        longest_refusal_ms = lasted_ms;
        printf("refusal %s connection %d of %s was refused for %llu ms until now\n",
               visitor->refused_with, visitor->number, visitor->group->name,
               (unsigned long long)lasted_ms);
    }
}

static void note_counted(struct visitor *visitor, uint64_t number, bool is_repeated,
                         bool is_estimate)
{
    struct group *group = visitor->group;
    uint64_t now = now_ms();

    counted++;
    group->counted++;
    group->repeated += is_repeated;
    group->journaled += is_estimate;
    if (visitor->refused_since_ms != 0) {
        note_end_of_refusal(visitor, now - visitor->refused_since_ms);
    }
    visitor->refused_since_ms = 0;
    visitor->counted++;
    visitor->is_unordered |= is_estimate;
    if (group->shared != 0) {
        shared_pages[group->shared].counted++;
        if (!is_repeated && !is_estimate) {
            note_shared_number(&shared_pages[group->shared], number);
        }
    } else if (!visitor->is_unordered && number != visitor->counted) {
        if (group->disordered++ == 0) {
            printf("disordered %s connection %d of %s got %llu as visit %llu of its page\n",
                   group->name, visitor->number, group->name, (unsigned long long)number,
                   (unsigned long long)visitor->counted);
        }
    }
    end_visit(visitor);
}

/* --- answers --- */

static bool has_code(const char *body, const char *code)
{
    char text[64];

    snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
    return strstr(body, text) != NULL;
}

/* the code of a promise that the visit was not counted, or NULL; behind nginx it alone is none */
static const char *find_refusal(const char *outcome, const char *body)
{
    static const char *const codes[] = {"store_unavailable", "overloaded", "shutting_down",
                                        "journal_full"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strncmp(outcome, " refused;", 9) == 0 && has_code(body, codes[i])) {
            return codes[i];
        }
    }
    return NULL;
}

static bool is_unknown(int status, const char *outcome, const char *body)
{
    return status == 502 || (status == 503 && strncmp(outcome, " unknown;", 9) == 0) ||
           (status == 504 && (has_code(body, "outcome_unknown") || has_code(body, "no_answer")));
}

static void note_other(const char *answer)
{
    if (others++ < OTHERS_MAX) {
        printf("other ");
        for (; *answer != '\0'; answer++) {
            putchar(*answer < ' ' ? '|' : *answer);
        }
        putchar('\n');
    }
}

/* returns whether the next visit may follow at once */
static bool note_answer(struct visitor *visitor, const char *answer, const char *outcome,
                        const char *body)
{
    int status = atoi(answer + 9);
    const char *count = strstr(body, "\"count\":");
    const char *refusal = find_refusal(outcome, body);

    if ((status == 200 || status == 202) && count != NULL) {
        note_counted(visitor, strtoull(count + 8, NULL, 10),
                     strstr(body, "\"status\":\"duplicate\"") != NULL, status == 202);
        return true;
    }
    if (status == 503 && refusal != NULL) {
        note_refused(visitor, refusal);
    } else if (is_unknown(status, outcome, body)) {
        note_doubtful(visitor);
    } else {
        note_other(answer);
        note_doubtful(visitor);
    }
    return false;
}

static const char *find_header(const char *head, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0) {
            return line + 2 + length;
        }
    }
    return NULL;
}

/* what nginx corrects has chunks in place of a length; SIZE_MAX while the last one is not there */
static size_t find_length(const char *length_text, const char *body)
{
    static const char last[] = "\r\n0\r\n\r\n";
    const char *end;

    if (length_text != NULL) {
        return strtoul(length_text, NULL, 10);
    }
    end = strstr(body, last);
    return end != NULL ? (size_t)(end - body) + strlen(last) : SIZE_MAX;
}

static void take_answer(struct visitor *visitor)
{
    char *end = strstr(visitor->received, "\r\n\r\n");
    const char *length_text, *connection, *outcome;
    size_t body_length;
    bool closes, goes_on;
    uint64_t waited;

    if (end == NULL) {
        return;
    }
    end[2] = '\0';
    length_text = find_header(visitor->received, "content-length:");
    connection = find_header(visitor->received, "connection:");
    outcome = find_header(visitor->received, "visitcount-status:");
    body_length = find_length(length_text, end + 4);
    closes = connection != NULL && strncasecmp(connection, " close", 6) == 0;
    end[2] = '\r';
    if (visitor->length - (size_t)(end + 4 - visitor->received) < body_length) {
        return;
    }
    waited = now_ms() - visitor->sent_at_ms;
    if (waited > longest_wait_ms) {
        longest_wait_ms = waited;
    }
    visitor->length = 0;
    goes_on = note_answer(visitor, visitor->received, outcome != NULL ? outcome : "", end + 4);
    if (closes) {
        close_visitor(visitor);
    }
    if (!goes_on) {
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
        note_doubtful(visitor);
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
        note_other(visitor->received); /* an answer that nothing asked for */
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
            hung++;
            on_broken(visitor);
        }
    }
}

static void read_orders(void)
{
    char order[64];
    ssize_t got = read(STDIN_FILENO, order, sizeof(order));

    if (got > 0 || (got < 0 && errno == EAGAIN)) {
        is_stopping |= got > 0;
        return;
    }
    is_stopping = true;
}

static void turn(void)
{
    struct epoll_event events[256];
    int count = epoll_wait(poll_fd, events, 256, 10);

    if (count < 0 && errno != EINTR) {
        fail("epoll_wait");
    }
    for (int i = 0; i < count; i++) {
        on_event(events[i].data.ptr, events[i].events);
    }
    resume_paused(now_ms());
}

/* --- the whole --- */

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
    } else if (strcmp(name, "shared") == 0 && atoi(value) <= SHARED_MAX) {
        group->shared = atoi(value);
        shared_pages[group->shared].is_used = group->shared != 0;
    } else {
        fprintf(stderr, "crowd: %s=%s is not understood\n", name, value);
        exit(64);
    }
}

/* name=a,site=default,port=8080,connections=50,method=GET,key=0,shared=0 */
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
}

static void create_visitors(void)
{
    int number = 0;

    visitors = calloc((size_t)visitor_count, sizeof(*visitors));
    if (visitors == NULL) {
        fail("calloc");
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

static void print_results(void)
{
    for (int i = 1; i <= SHARED_MAX; i++) {
        if (shared_pages[i].is_used) {
            printf("page shared default /shared/%d %llu %llu\n", i,
                   (unsigned long long)shared_pages[i].counted,
                   (unsigned long long)shared_pages[i].doubtful);
        }
    }
    for (int i = 0; i < group_count; i++) {
        const struct group *group = &groups[i];

        printf("group %s %llu %llu %llu %llu %llu %llu\n", group->name,
               (unsigned long long)group->counted, (unsigned long long)group->refused,
               (unsigned long long)group->doubtful, (unsigned long long)group->journaled,
               (unsigned long long)group->repeated, (unsigned long long)group->disordered);
    }
    printf("all %llu %llu %llu %llu %llu\n", (unsigned long long)sent, (unsigned long long)twice,
           (unsigned long long)hung, (unsigned long long)longest_refusal_ms,
           (unsigned long long)longest_wait_ms);
}

int main(int argc, char **argv)
{
    uint64_t reported_at_ms = 0;

    if (argc < 2 || argc - 1 > GROUPS_MAX) {
        fprintf(stderr, "usage: crowd GROUP...\n");
        return 64;
    }
    run = (int)getpid();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    for (int i = 1; i < argc; i++) {
        parse_group(argv[i]);
    }
    create_visitors();
    while (open_visitors > 0) {
        uint64_t now;

        turn();
        now = now_ms();
        if (now - reported_at_ms >= REPORT_MS) {
            reported_at_ms = now;
            read_orders();
            end_hung(now);
            printf("at %llu %llu\n", (unsigned long long)counted, (unsigned long long)sent);
            fflush(stdout);
        }
    }
    print_results();
    return 0;
}
