/* SPDX-License-Identifier: MIT */
/**
 * redis_checks: the one table of settings and states of a server that cost numbers sooner or later,
 * and how each is known. The link's store goes by it after each connect; whatever else looks at a
 * server goes by the same rows.
 *
 * Facts come from CONFIG GET and INFO. Either may be forbidden, and a reply of another shape is no
 * fact: a check whose facts are not known says nothing. Pure logic: no connection.
 */
#ifndef VISITCOUNTD_STORE_REDIS_CHECKS_H
#define VISITCOUNTD_STORE_REDIS_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

struct redisReply;

enum redis_fact {
    REDIS_MAXMEMORY,
    REDIS_MAXMEMORY_POLICY,
    REDIS_USED_MEMORY,
    REDIS_SAVE,
    REDIS_APPENDONLY,
    REDIS_LAST_BGSAVE,
    REDIS_LAST_AOF_WRITE,
    REDIS_LAST_AOF_REWRITE,
    REDIS_TIMEOUT,
    REDIS_FACTS
};

#define REDIS_FACT_TEXT_MAX 96

struct redis_facts {
    bool is_known[REDIS_FACTS];
    char values[REDIS_FACTS][REDIS_FACT_TEXT_MAX]; /* as the server tells them; cut if longer */
};

/** A command that facts come from, in words. */
struct redis_question {
    const char *words[3]; /* NULL behind the last one */
};

#define REDIS_QUESTIONS 7
extern const struct redis_question redis_questions[REDIS_QUESTIONS];

/** Takes what a reply to a question says; whatever is no answer to it says nothing. */
void redis_facts_take(struct redis_facts *facts, const struct redis_question *question,
                      const struct redisReply *reply);

enum redis_finding { REDIS_NOT_KNOWN, REDIS_FINE, REDIS_WRONG };

/** Longest text of a finding, with the NUL. */
#define REDIS_FINDING_MAX 256

struct redis_check {
    const char *id;    /* for status and metrics */
    const char *asked; /* what is looked at, in words */
    enum redis_finding (*judge)(const struct redis_facts *facts);
    /** REDIS_WRONG: what is wrong, what comes of it, and the remedy. */
    void (*tell)(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX]);
};

#define REDIS_CHECKS 6
extern const struct redis_check redis_checks[REDIS_CHECKS];

/** Seconds after which the server closes idle connections; 0: never, or not known. */
unsigned redis_facts_timeout_s(const struct redis_facts *facts);

#endif
