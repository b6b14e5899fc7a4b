/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_checks.h"

#include <hiredis/hiredis.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* parses a RESP reply to the question with this first and last word */
static void take(struct redis_facts *facts, const char *first, const char *last, const char *bytes)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    size_t i = 0;

    while (strcmp(redis_questions[i].words[0], first) != 0 ||
           strcmp(redis_questions[i].words[2] != NULL ? redis_questions[i].words[2]
                                                      : redis_questions[i].words[1],
                  last) != 0) {
        assert_true(++i < REDIS_QUESTIONS);
    }
    redisReaderFeed(reader, bytes, strlen(bytes));
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redis_facts_parse(facts, &redis_questions[i], reply);
    freeReplyObject(reply);
    redisReaderFree(reader);
}

static void take_info(struct redis_facts *facts, const char *section, const char *text)
{
    char bytes[1024];

    snprintf(bytes, sizeof(bytes), "$%zu\r\n%s\r\n", strlen(text), text);
    take(facts, "INFO", section, bytes);
}

static void take_config(struct redis_facts *facts, const char *name, const char *value)
{
    char bytes[1024];

    snprintf(bytes, sizeof(bytes), "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name,
             strlen(value), value);
    take(facts, "CONFIG", name, bytes);
}

static enum redis_finding judge(const struct redis_facts *facts, const char *id)
{
    for (size_t i = 0; i < REDIS_CHECKS; i++) {
        if (strcmp(redis_checks[i].id, id) == 0) {
            char text[REDIS_FINDING_MAX] = "";
            enum redis_finding verdict = redis_checks[i].judge(facts);

            if (verdict == REDIS_WRONG) {
                redis_checks[i].tell(facts, text);
                assert_true(strlen(text) > 20 && strlen(text) < REDIS_FINDING_MAX - 1);
            }
            return verdict;
        }
    }
    fail_msg("no check %s", id);
    return REDIS_NOT_KNOWN;
}

static void test_without_facts_nothing_is_said(void **state)
{
    struct redis_facts facts = {0};

    (void)state;
    for (size_t i = 0; i < REDIS_CHECKS; i++) {
        assert_int_equal(redis_checks[i].judge(&facts), REDIS_NOT_KNOWN);
        assert_non_null(redis_checks[i].asked);
    }
}

static void test_replies_in_any_shape(void **state)
{
    static const char *const replies[] = {
        "+OK\r\n",
        "-NOPERM no\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "$0\r\n\r\n",
        "*1\r\n$9\r\nmaxmemory\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*2\r\n$9\r\nmaxmemory\r\n:2\r\n",
        "*2\r\n$9\r\nmaxmemory\r\n$-1\r\n",
        "*2\r\n*0\r\n$1\r\n1\r\n",
        "$9\r\nmaxmemory\r\n",
        "$10\r\n:::\r\n\r\n\n\n:\r\n",
        "$19\r\n# Memory\r\nmaxmemor:\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        struct redis_facts facts = {0};

        take(&facts, "CONFIG", "maxmemory", replies[i]);
        take(&facts, "CONFIG", "save", replies[i]);
        take(&facts, "INFO", "memory", replies[i]);
        for (size_t j = 0; j < REDIS_FACTS; j++) {
            assert_false(facts.is_known[j]);
        }
    }
}

static void test_eviction(void **state)
{
    static const struct {
        const char *policy;
        const char *maxmemory;
        enum redis_finding verdict;
    } rows[] = {
        {"noeviction", "100000000", REDIS_FINE},   {"noeviction", NULL, REDIS_FINE},
        {"allkeys-lru", "100000000", REDIS_WRONG}, {"volatile-ttl", "1", REDIS_WRONG},
        {"allkeys-random", "1", REDIS_WRONG},      {"allkeys-lru", "0", REDIS_FINE},
        {"volatile-lru", NULL, REDIS_NOT_KNOWN},   {NULL, "1", REDIS_NOT_KNOWN},
        {"allkeys-lfu", "100mb", REDIS_NOT_KNOWN},
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_facts facts = {0};
        const char *policy = rows[i / 2].policy;
        const char *maxmemory = rows[i / 2].maxmemory;
        char text[256];

        if (i % 2 == 0 && policy != NULL) {
            take_config(&facts, "maxmemory-policy", policy);
        }
        if (i % 2 == 0 && maxmemory != NULL) {
            take_config(&facts, "maxmemory", maxmemory);
        }
        if (i % 2 == 1) { /* the same by INFO, as on servers that forbid CONFIG */
            snprintf(text, sizeof(text), "# Memory\r\n%s%s\r\n%s%s\r\n",
                     maxmemory != NULL ? "maxmemory:" : "x:", maxmemory != NULL ? maxmemory : "",
                     policy != NULL ? "maxmemory_policy:" : "x:", policy != NULL ? policy : "");
            take_info(&facts, "memory", text);
        }
        assert_int_equal(judge(&facts, "eviction"), rows[i / 2].verdict);
    }
}

static void test_memory(void **state)
{
    static const struct {
        const char *text;
        enum redis_finding verdict;
    } rows[] = {
        {"used_memory:80\r\nmaxmemory:0", REDIS_FINE},
        {"used_memory:7999\r\nmaxmemory:10000", REDIS_FINE},
        {"used_memory:8000\r\nmaxmemory:10000", REDIS_WRONG},
        {"used_memory:20000\r\nmaxmemory:10000", REDIS_WRONG},
        {"used_memory:18446744073709551615\r\nmaxmemory:18446744073709551615", REDIS_WRONG},
        {"used_memory_rss:8000\r\nmaxmemory:10000", REDIS_NOT_KNOWN},
        {"used_memory:x\r\nmaxmemory:10000", REDIS_NOT_KNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_facts facts = {0};

        take_info(&facts, "memory", rows[i].text);
        assert_int_equal(judge(&facts, "memory"), rows[i].verdict);
    }
}

static void test_persistence(void **state)
{
    static const struct {
        const char *save;
        const char *appendonly;
        const char *info;
        enum redis_finding verdict;
    } rows[] = {
        {"", "no", NULL, REDIS_WRONG},
        {"", NULL, "aof_enabled:0", REDIS_WRONG},
        {"3600 1", "no", NULL, REDIS_FINE},
        {"", "yes", NULL, REDIS_FINE},
        {NULL, NULL, "aof_enabled:1", REDIS_FINE},
        {NULL, NULL, "aof_enabled:0", REDIS_NOT_KNOWN}, /* there may be save points */
        {"", NULL, NULL, REDIS_NOT_KNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_facts facts = {0};

        if (rows[i].save != NULL) {
            take_config(&facts, "save", rows[i].save);
        }
        if (rows[i].appendonly != NULL) {
            take_config(&facts, "appendonly", rows[i].appendonly);
        }
        if (rows[i].info != NULL) {
            take_info(&facts, "persistence", rows[i].info);
        }
        assert_int_equal(judge(&facts, "persistence"), rows[i].verdict);
    }
}

static void test_what_failed(void **state)
{
    struct redis_facts facts = {0};

    (void)state;
    take_info(&facts, "persistence",
              "rdb_last_bgsave_status:ok\r\naof_last_bgrewrite_status:ok\r\n"
              "aof_last_write_status:ok\r\n");
    assert_int_equal(judge(&facts, "bgsave"), REDIS_FINE);
    assert_int_equal(judge(&facts, "aof"), REDIS_FINE);
    take_info(&facts, "persistence", "rdb_last_bgsave_status:err\r\n");
    assert_int_equal(judge(&facts, "bgsave"), REDIS_WRONG);
    take_info(&facts, "persistence", "aof_last_bgrewrite_status:err\r\n");
    assert_int_equal(judge(&facts, "aof"), REDIS_WRONG);
    take_info(&facts, "persistence", "aof_last_bgrewrite_status:ok\r\naof_last_write_status:err");
    assert_int_equal(judge(&facts, "aof"), REDIS_WRONG);
}

static void test_timeout(void **state)
{
    static const struct {
        const char *value;
        unsigned timeout_s;
        enum redis_finding verdict;
    } rows[] = {
        {"0", 0, REDIS_FINE},     {"3", 3, REDIS_WRONG}, {"20", 20, REDIS_WRONG},
        {"300", 300, REDIS_FINE}, {"x", 0, REDIS_FINE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_facts facts = {0};

        take_config(&facts, "timeout", rows[i].value);
        assert_int_equal(redis_facts_timeout_s(&facts), rows[i].timeout_s);
        assert_int_equal(judge(&facts, "idle_timeout"), rows[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_facts_nothing_is_said),
        cmocka_unit_test(test_replies_in_any_shape),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_persistence),
        cmocka_unit_test(test_what_failed),
        cmocka_unit_test(test_timeout),
    };

    return cmocka_run_group_tests_name("redis_checks", tests, NULL, NULL);
}
