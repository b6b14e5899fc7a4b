/* SPDX-License-Identifier: MIT */
/**
 * redis_checks: the table of server settings and states that lose visits sooner or later, such as
 * eviction or failed saves. redis_look runs these checks after each connect.
 *
 * Facts come from CONFIG GET and INFO. A server may forbid either. A reply of another shape is
 * ignored. A check whose facts are unknown returns REDIS_NOT_KNOWN. Pure logic: no connection.
 */
#ifndef VISITCOUNTD_STORE_REDIS_CHECKS_H
#define VISITCOUNTD_STORE_REDIS_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    REDIS_SYSTEM_MEMORY,
    REDIS_REWRITE, /* not from the server: the problem of redis_rewrite, or "" */
    REDIS_FACTS
};

#define REDIS_FACT_TEXT_MAX 96

struct redis_facts {
    bool is_known[REDIS_FACTS];
    char values[REDIS_FACTS][REDIS_FACT_TEXT_MAX]; /* as the server reports them; cut if longer */
};

/** A command that reads facts, as its words. */
struct redis_question {
    const char *words[3]; /* NULL after the last one */
};

#define REDIS_QUESTIONS 7
extern const struct redis_question redis_questions[REDIS_QUESTIONS];

/** Stores the facts in the reply to `question`. Ignores errors and replies of another shape. */
void redis_facts_parse(struct redis_facts *facts, const struct redis_question *question,
                       const struct redisReply *reply);

enum redis_finding { REDIS_NOT_KNOWN, REDIS_FINE, REDIS_WRONG };

/** Longest text of a finding, with the NUL. */
#define REDIS_FINDING_MAX 256

struct redis_check {
    const char *id;    /* for status and metrics */
    const char *asked; /* the subject of the check, in words */
    enum redis_finding (*judge)(const struct redis_facts *facts);
    /** If REDIS_WRONG: writes the problem, its consequence and the remedy. */
    void (*tell)(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX]);
};

#define REDIS_CHECKS 7
extern const struct redis_check redis_checks[REDIS_CHECKS];

/** Stores the problem of redis_rewrite, "" for none. */
void redis_facts_set_rewrite(struct redis_facts *facts, const char *problem);

/** Reads the memory in use and maxmemory, 0 for none, in bytes. Returns false if not known. */
bool redis_facts_memory(const struct redis_facts *facts, uint64_t *ret_used,
                        uint64_t *ret_maxmemory);

/** Whether the append-only file can be rewritten. */
enum redis_rewrite_state {
    REDIS_REWRITE_NOT_NEEDED, /* there is no such file, or that is not known */
    REDIS_REWRITE_NO_MEMORY,  /* a fork could need more memory than the machine has */
    REDIS_REWRITE_POSSIBLE
};
enum redis_rewrite_state redis_facts_can_rewrite(const struct redis_facts *facts);

/** Returns the seconds after which the server closes idle connections; 0: never, or not known. */
unsigned redis_facts_timeout_s(const struct redis_facts *facts);

#endif
