/* SPDX-License-Identifier: MIT */
/**
 * crowd: visitors who write down every answer, for tests/faults/chaos. crowd.c has the connections,
 * crowd_books.c what became of each visit, crowd_answer.c reads the daemon's answers.
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
    bool has_key; /* sends an Idempotency-Key, and asks again under it until the visit is counted */
    bool has_stamp; /* sends an X-Request-Id with the time, as nginx does; never asks again */
    bool is_twin;   /* a key or stamp goes to two pages, one after the other */
    int shared;     /* number of the shared page, or 0: each connection has its own */
    uint64_t counted, refused, doubtful, journaled, repeated, disordered;
};

/** What is known of a page of one connection. */
struct side {
    uint64_t counted;
    uint64_t unsettled; /* keyed: attempts without an answer that says what became of them */
    uint64_t forgotten; /* of these, as many as the store may have forgotten the key of */
};

enum visitor_state { PAUSED, CONNECTING, WAITING };

struct visitor {
    struct group *group;
    struct visitor *next_paused;
    enum visitor_state state;
    int fd;
    int number;
    unsigned generation; /* of the own page */
    struct side sides[SIDES_MAX];
    uint64_t visit;    /* number of the visit, which is in its key */
    uint64_t stamp_ms; /* has_stamp: time of the first of two visits */
    bool is_open;      /* keyed: was sent before, and is not known to be counted */
    bool is_forgotten; /* is_open: the store may have forgotten the key since */
    bool is_done;      /* after the stop */
    bool is_unordered; /* an answer was an estimate */
    uint64_t sent_at_ms;
    uint64_t resume_at_ms;
    uint64_t refused_since_ms; /* 0: the last visit was counted */
    const char *refused_with;  /* the code of the last refusal */
    size_t length;
    char received[RECEIVED_MAX];
};

/** Of all groups. */
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

/** Which of the two pages the visit is of; 0 unless the group is a twin. */
unsigned book_side(const struct visitor *visitor);

/** The page of the visit. */
void book_format_page(const struct visitor *visitor, char *ret_page, size_t size);

/** Notes that a shared page belongs to a group's site. */
void book_use_shared(const struct group *group);

/**
 * Prints what the own pages must have in the store. `doubtful` is 1 if the visit of now may be in
 * the store, else 0. The next visit is of another page.
 */
void book_finish_page(struct visitor *visitor, int doubtful);

/** Nobody knows what became of the visit. */
void book_doubtful(struct visitor *visitor);

/** The visit was certainly not counted. `code` is a constant. */
void book_refused(struct visitor *visitor, const char *code);

/** The visit was counted, or was counted before (`is_repeated`), or is journaled (`is_estimate`).
 */
void book_counted(struct visitor *visitor, uint64_t number, bool is_repeated, bool is_estimate);

/** How long the visitor waited for an answer. */
void book_wait(const struct visitor *visitor, const char *answer);

/** The store forgot keys of the visitor's site: attempts until now may be counted beside later
 * ones. */
void book_forget_keys(struct visitor *visitor);

/** Prints the sums of each group. */
void book_print_groups(void);

/** Prints the shared pages and the sums of all groups. */
void book_print_rest(void);

/**
 * Takes the answer in `received` once all of it is there. Returns false while it is not. Else the
 * books are kept; `*ret_closes` tells whether the daemon ends the connection, `*ret_goes_on`
 * whether the next visit may follow at once.
 */
bool answer_take(struct visitor *visitor, bool *ret_closes, bool *ret_goes_on);

/** Prints an answer that nobody expects; only the first few. */
void answer_note_other(const char *answer);

#endif
