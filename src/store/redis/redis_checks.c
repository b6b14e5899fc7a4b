/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_checks.h"

#include "base/units.h"

#include <hiredis/hiredis.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* used share of maxmemory that gives a warning */
#define FULL_PERCENT 80

/* with a timeout up to this, the link's heartbeat may come too late */
#define SHORT_TIMEOUT_S 20

/* --- facts --- */

const struct redis_question redis_questions[REDIS_QUESTIONS] = {
    {{"INFO", "memory", NULL}},
    {{"INFO", "persistence", NULL}},
    {{"CONFIG", "GET", "maxmemory-policy"}},
    {{"CONFIG", "GET", "maxmemory"}},
    {{"CONFIG", "GET", "save"}},
    {{"CONFIG", "GET", "appendonly"}},
    {{"CONFIG", "GET", "timeout"}},
};

/* the names of each fact in CONFIG GET and in INFO; NULL: not available there */
static const struct {
    const char *config;
    const char *info;
} sources[REDIS_FACTS] = {
    [REDIS_MAXMEMORY] = {"maxmemory", "maxmemory"},
    [REDIS_MAXMEMORY_POLICY] = {"maxmemory-policy", "maxmemory_policy"},
    [REDIS_USED_MEMORY] = {NULL, "used_memory"},
    [REDIS_SAVE] = {"save", NULL},
    [REDIS_APPENDONLY] = {"appendonly", "aof_enabled"},
    [REDIS_LAST_BGSAVE] = {NULL, "rdb_last_bgsave_status"},
    [REDIS_LAST_AOF_WRITE] = {NULL, "aof_last_write_status"},
    [REDIS_LAST_AOF_REWRITE] = {NULL, "aof_last_bgrewrite_status"},
    [REDIS_TIMEOUT] = {"timeout", NULL},
    [REDIS_SYSTEM_MEMORY] = {NULL, "total_system_memory"},
};

static void keep_fact(struct redis_facts *facts, size_t fact, const char *value, size_t length)
{
    facts->is_known[fact] = true;
    snprintf(facts->values[fact], REDIS_FACT_TEXT_MAX, "%.*s", (int)length, value);
}

static bool is_text(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING && reply->str != NULL;
}

/* reads an array: name, value, name, value … */
static void parse_config(struct redis_facts *facts, const redisReply *reply)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *name = reply->element[i];
        const redisReply *value = reply->element[i + 1];

        for (size_t fact = 0; fact < REDIS_FACTS; fact++) {
            if (is_text(name) && is_text(value) && sources[fact].config != NULL &&
                strcmp(name->str, sources[fact].config) == 0) {
                keep_fact(facts, fact, value->str, strlen(value->str));
            }
        }
    }
}

/* reads a line "name:value" */
static void parse_line(struct redis_facts *facts, const char *line, size_t length)
{
    size_t name_length = strcspn(line, ":");

    for (size_t fact = 0; fact < REDIS_FACTS && name_length < length; fact++) {
        const char *name = sources[fact].info;

        if (name != NULL && strlen(name) == name_length && memcmp(line, name, name_length) == 0) {
            keep_fact(facts, fact, line + name_length + 1, length - name_length - 1);
        }
    }
}

static void parse_info(struct redis_facts *facts, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\r\n");

        parse_line(facts, text, length);
        text += length;
        text += strspn(text, "\r\n");
    }
}

void redis_facts_parse(struct redis_facts *facts, const struct redis_question *question,
                       const redisReply *reply)
{
    if (strcmp(question->words[0], "INFO") == 0) {
        if (is_text(reply)) {
            parse_info(facts, reply->str);
        }
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        parse_config(facts, reply);
    }
}

/* --- values of facts --- */

static bool is(const struct redis_facts *facts, enum redis_fact fact, const char *value)
{
    return facts->is_known[fact] && strcmp(facts->values[fact], value) == 0;
}

/* returns false if the fact is unknown or no number */
static bool number_of(const struct redis_facts *facts, enum redis_fact fact, uint64_t *ret_number)
{
    return facts->is_known[fact] && units_parse_u64(facts->values[fact], ret_number) == 0;
}

static enum redis_finding verdict(bool is_wrong)
{
    return is_wrong ? REDIS_WRONG : REDIS_FINE;
}

unsigned redis_facts_timeout_s(const struct redis_facts *facts)
{
    uint64_t timeout_s = 0;

    number_of(facts, REDIS_TIMEOUT, &timeout_s);
    return timeout_s < 1000000 ? (unsigned)timeout_s : 0;
}

bool redis_facts_memory(const struct redis_facts *facts, uint64_t *ret_used,
                        uint64_t *ret_maxmemory)
{
    return number_of(facts, REDIS_USED_MEMORY, ret_used) &&
           number_of(facts, REDIS_MAXMEMORY, ret_maxmemory);
}

void redis_facts_set_rewrite(struct redis_facts *facts, const char *problem)
{
    keep_fact(facts, REDIS_REWRITE, problem, strlen(problem));
}

/* a fork shares the memory, but each page that is written meanwhile is copied: at worst all */
enum redis_rewrite_state redis_facts_can_rewrite(const struct redis_facts *facts)
{
    uint64_t used;
    uint64_t memory;

    if (!is(facts, REDIS_APPENDONLY, "yes") && !is(facts, REDIS_APPENDONLY, "1")) {
        return REDIS_REWRITE_NOT_NEEDED;
    }
    if (!number_of(facts, REDIS_USED_MEMORY, &used) ||
        !number_of(facts, REDIS_SYSTEM_MEMORY, &memory)) {
        return REDIS_REWRITE_NOT_NEEDED;
    }
    return used > memory / 2 ? REDIS_REWRITE_NO_MEMORY : REDIS_REWRITE_POSSIBLE;
}

/* --- the checks --- */

/* without maxmemory, no policy evicts anything */
static enum redis_finding judge_eviction(const struct redis_facts *facts)
{
    uint64_t maxmemory;

    if (is(facts, REDIS_MAXMEMORY_POLICY, "noeviction")) {
        return REDIS_FINE;
    }
    if (!facts->is_known[REDIS_MAXMEMORY_POLICY] ||
        !number_of(facts, REDIS_MAXMEMORY, &maxmemory)) {
        return REDIS_NOT_KNOWN;
    }
    return verdict(maxmemory != 0);
}

static void tell_eviction(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX])
{
    const char *policy = facts->values[REDIS_MAXMEMORY_POLICY];

    snprintf(ret_text, REDIS_FINDING_MAX,
             "maxmemory-policy is %s: Redis deletes %s when memory is full; set it to noeviction",
             policy,
             strncmp(policy, "volatile", 8) == 0 ? "tokens, salts and numbers by day"
                                                 : "totals and ledgers of sites");
}

static enum redis_finding judge_memory(const struct redis_facts *facts)
{
    uint64_t used;
    uint64_t maxmemory;

    if (!number_of(facts, REDIS_USED_MEMORY, &used) ||
        !number_of(facts, REDIS_MAXMEMORY, &maxmemory)) {
        return REDIS_NOT_KNOWN;
    }
    return verdict(maxmemory != 0 && used / FULL_PERCENT >= maxmemory / 100);
}

static void tell_memory(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX])
{
    uint64_t used = 0;
    uint64_t maxmemory = 1;

    number_of(facts, REDIS_USED_MEMORY, &used);
    number_of(facts, REDIS_MAXMEMORY, &maxmemory);
    snprintf(ret_text, REDIS_FINDING_MAX,
             "%.0f %% of maxmemory are used: Redis refuses every visit when it is full; raise "
             "maxmemory",
             (double)used * 100 / (double)maxmemory);
}

static bool has_no_aof(const struct redis_facts *facts)
{
    return is(facts, REDIS_APPENDONLY, "no") || is(facts, REDIS_APPENDONLY, "0");
}

static enum redis_finding judge_persistence(const struct redis_facts *facts)
{
    if (facts->is_known[REDIS_APPENDONLY] && !has_no_aof(facts)) {
        return REDIS_FINE;
    }
    if (facts->is_known[REDIS_SAVE] && !is(facts, REDIS_SAVE, "")) {
        return REDIS_FINE;
    }
    return facts->is_known[REDIS_SAVE] && facts->is_known[REDIS_APPENDONLY] ? REDIS_WRONG
                                                                            : REDIS_NOT_KNOWN;
}

static void tell_persistence(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX])
{
    (void)facts;
    snprintf(ret_text, REDIS_FINDING_MAX,
             "neither an append-only file nor save points: when Redis ends, every number is gone; "
             "set appendonly to yes");
}

static enum redis_finding judge_bgsave(const struct redis_facts *facts)
{
    return facts->is_known[REDIS_LAST_BGSAVE] ? verdict(!is(facts, REDIS_LAST_BGSAVE, "ok"))
                                              : REDIS_NOT_KNOWN;
}

static void tell_bgsave(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX])
{
    (void)facts;
    snprintf(ret_text, REDIS_FINDING_MAX,
             "the last background save failed: a restart of Redis loses what came after the one "
             "before; see the log of Redis, and the disk");
}

static enum redis_finding judge_aof(const struct redis_facts *facts)
{
    bool is_known =
        facts->is_known[REDIS_LAST_AOF_WRITE] || facts->is_known[REDIS_LAST_AOF_REWRITE];

    if (!is_known) {
        return REDIS_NOT_KNOWN;
    }
    return verdict(is(facts, REDIS_LAST_AOF_WRITE, "err") ||
                   is(facts, REDIS_LAST_AOF_REWRITE, "err"));
}

static void tell_aof(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX])
{
    snprintf(ret_text, REDIS_FINDING_MAX,
             "the last %s of the append-only file failed; see the log of Redis, and the disk",
             is(facts, REDIS_LAST_AOF_WRITE, "err") ? "write" : "rewrite");
}

static enum redis_finding judge_timeout(const struct redis_facts *facts)
{
    unsigned timeout_s = redis_facts_timeout_s(facts);

    return facts->is_known[REDIS_TIMEOUT] ? verdict(timeout_s != 0 && timeout_s <= SHORT_TIMEOUT_S)
                                          : REDIS_NOT_KNOWN;
}

static void tell_timeout(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX])
{
    snprintf(ret_text, REDIS_FINDING_MAX,
             "timeout is %u s: Redis closes connections that are idle for so long; PING is sent "
             "before that; set it to 0",
             redis_facts_timeout_s(facts));
}

static enum redis_finding judge_rewrite(const struct redis_facts *facts)
{
    return facts->is_known[REDIS_REWRITE] ? verdict(!is(facts, REDIS_REWRITE, ""))
                                          : REDIS_NOT_KNOWN;
}

static void tell_rewrite(const struct redis_facts *facts, char ret_text[REDIS_FINDING_MAX])
{
    snprintf(ret_text, REDIS_FINDING_MAX,
             "BGREWRITEAOF: %s; salts and visitors of bygone days stay in the append-only file; "
             "allow +bgrewriteaof or set redis.rewrite to off",
             facts->values[REDIS_REWRITE]);
}

const struct redis_check redis_checks[REDIS_CHECKS] = {
    {"eviction", "maxmemory-policy, where maxmemory is set", judge_eviction, tell_eviction},
    {"memory", "used_memory of maxmemory", judge_memory, tell_memory},
    {"persistence", "save and appendonly", judge_persistence, tell_persistence},
    {"bgsave", "rdb_last_bgsave_status", judge_bgsave, tell_bgsave},
    {"aof", "aof_last_write_status and aof_last_bgrewrite_status", judge_aof, tell_aof},
    {"idle_timeout", "timeout", judge_timeout, tell_timeout},
    {"rewrite", "BGREWRITEAOF", judge_rewrite, tell_rewrite},
};
