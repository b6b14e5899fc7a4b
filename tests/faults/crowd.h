/* SPDX-License-Identifier: MIT */
/**
 * crowd: visitors who record every answer, for tests/faults/chaos. crowd.c has the connections,
 * crowd_books.c records the outcome of each visit, crowd_answer.c reads the daemon's answers.
 */
#ifndef VISITCOUNTD_TESTS_CROWD_H
#define VISITCOUNTD_TESTS_CROWD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUPS_MAX   64
#define SHARED_MAX   8
#define RECEIVED_MAX 8192
#define SIDES_MAX    2

struct group {
    char name[32];
    char site[32];
    char method[8];
    struct sockaddr_in address;
    int connections;
    bool has_key;   /* sends an Idempotency-Key and repeats the visit until it is counted */
    bool has_stamp; /* sends an X-Request-Id with the time, as nginx does; never repeats */
    bool is_twin;   /* a key or stamp goes to two pages, one after the other */
    int shared;     /* number of the shared page, or 0: each connection has its own */
    uint64_t counted, refused, doubtful, journaled, repeated, disordered;
    uint64_t key_refusals; /* of `refused`, those because of the key: Redis is full */
};

/** The books of a page of one connection. */
struct side {
    uint64_t counted;
    uint64_t unsettled; /* keyed: attempts without a definite answer */
    uint64_t forgotten; /* those of them whose key the store may have lost */
};

enum visitor_state { PAUSED, CONNECTING, WAITING };

struct visitor {
    struct group *group;
    struct visitor *next_paused;
    enum visitor_state state;
    int fd;
    int number;
    unsigned generation; /* of the connection's own page */
    struct side sides[SIDES_MAX];
    uint64_t visit;    /* number of the visit, which is in its key */
    uint64_t stamp_ms; /* has_stamp: time of the first of two visits */
    bool is_open;      /* keyed: sent before, and not known to be counted */
    bool is_forgotten; /* is_open: the store may have lost the key since */
    bool is_done;      /* it has ended after the stop */
    bool is_unordered; /* an answer was an estimate */
    uint64_t sent_at_ms;
    uint64_t resume_at_ms;
    uint64_t refused_since_ms; /* 0: the last visit was counted */
    const char *refused_with;  /* the code of the last refusal */
    size_t length;
    char received[RECEIVED_MAX];
};

/** Sums of all groups. */
struct crowd_sums {
    uint64_t counted, sent, twice, hung, longest_refusal_ms, longest_wait_ms;
};

extern struct group groups[GROUPS_MAX];
extern int group_count;
extern struct crowd_sums sums;

/** Monotonic time. */
uint64_t crowd_now_ms(void);

/** Writes "crowd: WHAT: strerror(errno)" and exits with 1. */
void crowd_fail(const char *what) __attribute__((noreturn));

/** Which of the two pages the visit belongs to; 0 unless the group is a twin. */
unsigned book_side(const struct visitor *visitor);

/** The page of the visit. */
void book_format_page(const struct visitor *visitor, char *ret_page, size_t size);

/** Notes that a shared page belongs to a group's site. */
void book_use_shared(const struct group *group);

/**
 * Prints the expected totals of the connection's own pages. `doubtful` is 1 if the store may have
 * the present visit, else 0. The next visit belongs to another page.
 */
void book_finish_page(struct visitor *visitor, int doubtful);

/** The outcome of the visit is unknown. */
void book_doubtful(struct visitor *visitor);

/** The visit was not counted. `code` is a constant. */
void book_refused(struct visitor *visitor, const char *code);

/** The visit was counted now or before (`is_repeated`), or is journaled (`is_estimate`). */
void book_counted(struct visitor *visitor, uint64_t number, bool is_repeated, bool is_estimate);

/** How long the visitor waited for an answer. */
void book_wait(const struct visitor *visitor, const char *answer);

/**
 * The store has lost keys of the visitor's site: earlier attempts may count in addition to later
 * ones.
 */
void book_forget_keys(struct visitor *visitor);

/** Prints the sums of each group. */
void book_print_groups(void);

/** Prints the shared pages and the sums of all groups. */
void book_print_rest(void);

/**
 * Parses the answer in `received`. Returns false if it is not complete yet. Otherwise records it in
 * the books. `*ret_closes` is whether the daemon ends the connection, `*ret_goes_on` whether the
 * next visit may follow at once.
 */
bool answer_take(struct visitor *visitor, bool *ret_closes, bool *ret_goes_on);

/** Prints an unexpected answer; only the first few. */
void answer_note_other(const char *answer);

#endif
