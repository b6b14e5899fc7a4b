/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as Redis' reply to a batch. The real link and store get them as from a connection, in
 * one piece and byte by byte. Each call ends once, with the outcome of the grammar below: a batch
 * whose reply cannot be parsed may have been applied. This file replaces the connection (at link
 * time).
 */
#include "base/log.h"
#include "store/redis/redis_store.h"
#include "store/redis/stream.h"
#include "fuzz.h"

#include <hiredis/hiredis.h>

#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 3

struct stream *__wrap_stream_open(struct loop *loop, struct stream_target *target,
                                  const struct stream_callbacks *callbacks, void *data);
bool __wrap_stream_is_resolving(const struct stream *stream);
void __wrap_stream_write(struct stream *stream, const char *bytes, size_t length);
void __wrap_stream_close(struct stream *stream);

const char *__asan_default_options(void);

/*
 * hiredis 0.14 allocates an array as long as a reply says, up to 16 GiB, which a system does not
 * back with memory until it is used. The sanitizer would fill it.
 */
const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=256:allocator_may_return_null=1";
}

/* --- the connection --- */

struct stream {
    const struct stream_callbacks *callbacks;
    void *data;
    bool is_open;
};

static struct stream stream;

struct stream *__wrap_stream_open(struct loop *loop, struct stream_target *target,
                                  const struct stream_callbacks *callbacks, void *data)
{
    (void)loop, (void)target;
    stream = (struct stream){callbacks, data, true};
    return &stream;
}

bool __wrap_stream_is_resolving(const struct stream *opened)
{
    (void)opened;
    return false;
}

void __wrap_stream_write(struct stream *opened, const char *bytes, size_t length)
{
    check_that(opened->is_open && bytes != NULL && length != 0);
}

void __wrap_stream_close(struct stream *opened)
{
    if (opened != NULL) {
        opened->is_open = false;
    }
}

static void receive(const char *bytes, size_t length, size_t piece)
{
    for (size_t at = 0; at < length && stream.is_open; at += piece) {
        stream.callbacks->on_bytes(stream.data, bytes + at,
                                   length - at < piece ? length - at : piece);
    }
}

/* --- the batch, and how it ends --- */

/* the second token is sent first, because it belongs to the shorter window */
static const struct store_entry entries[PAGES] = {
    {"/a", 2, 1, true}, {"/b", 2, 2, false}, {"/c", 2, 3, true}};
static const struct store_token tokens[] = {{"one", 3, 0, STORE_WINDOW_CLIENT},
                                            {"two", 3, 1, STORE_WINDOW_ATTEMPT}};
static const struct store_visitor visitors[] = {{1, 0}, {2, 1}};
static const struct store_batch batch = {
    .site = "site.example",
    .epoch = "00112233445566778899aabbccddeeff",
    .sequence = 2,
    .follows = 1,
    .visits = 9,
    .hour = 470000,
    .day = 19583,
    .second = 1692000000,
    .entries = entries,
    .entry_count = PAGES,
    .tokens = tokens,
    .token_count = 2,
    .visitors = visitors,
    .visitor_count = 2,
};

struct end {
    size_t calls;
    enum store_outcome outcome;
    bool gap;
    bool is_torn;
    bool is_outdated;
    uint64_t generation;
    uint64_t old_version_s;
    bool duplicate;
    struct store_position at;
    uint64_t numbers[2 * PAGES]; /* totals, then uniques */
    bool repeated[2];
};

static void on_applied(void *data, const struct store_applied *applied)
{
    struct end *end = data;

    check_that((applied->outcome == STORE_OK) == (applied->totals != NULL));
    check_that(applied->outcome == STORE_OK || applied->reason != NULL);
    check_that(!applied->gap || applied->outcome == STORE_REFUSED);
    end->calls++;
    end->outcome = applied->outcome;
    end->gap = applied->gap;
    end->is_torn = applied->is_torn;
    end->is_outdated = applied->is_outdated;
    end->generation = applied->generation;
    end->old_version_s = applied->outcome == STORE_OK ? applied->old_version_s : 0;
    end->duplicate = applied->is_duplicate;
    end->at = applied->at;
    if (applied->outcome == STORE_OK) {
        memcpy(end->numbers, applied->totals, PAGES * sizeof(uint64_t));
        memcpy(end->numbers + PAGES, applied->uniques, PAGES * sizeof(uint64_t));
        memcpy(end->repeated, applied->duplicate_tokens, sizeof(end->repeated));
    }
}

/* --- what the bytes mean --- */

#define NUMBER "(-|[0-9]+)"
#define GROUPS 14

static regex_t answer_form;
static regex_t gap_form;
static regex_t outdated_form;

/* one number of the answer */
static bool read_number(const char *text, const regmatch_t *match, uint64_t *ret_number)
{
    if (match->rm_so < 0 || text[match->rm_so] == '-') {
        *ret_number = STORE_NONE;
        return true;
    }
    *ret_number = strtoull(text + match->rm_so, NULL, 10);
    return *ret_number != STORE_NONE; /* larger than any number */
}

/* numbers of visitors, which a duplicate has only for the first attempt */
static bool are_numbers(const char *text, const regmatch_t *match)
{
    char *at = (char *)text + match->rm_so;

    while (match->rm_so >= 0 && at < text + match->rm_eo) {
        if (strtoull(at, &at, 10) == STORE_NONE) {
            return false;
        }
    }
    return true;
}

static bool read_answer(const char *text, struct end *ret_end)
{
    static const size_t groups[2 * PAGES] = {2, 3, 4, 8, 0, 9}; /* 0: was not requested */
    const regmatch_t none = {-1, -1};
    regmatch_t match[GROUPS];

    if (regexec(&answer_form, text, GROUPS, match, 0) != 0) {
        return false;
    }
    ret_end->outcome = STORE_OK;
    ret_end->duplicate = *text == 'D';
    for (size_t i = 0; i < 2 * PAGES; i++) {
        if (!read_number(text, groups[i] != 0 ? &match[groups[i]] : &none, &ret_end->numbers[i])) {
            return false;
        }
    }
    if (!are_numbers(text, &match[10])) {
        return false;
    }
    if (match[13].rm_so >= 0) {
        ret_end->old_version_s = strtoull(text + match[13].rm_so, NULL, 10);
    }
    for (regoff_t i = match[5].rm_so; i >= 0 && i < match[5].rm_eo; i++) {
        ret_end->repeated[0] |= text[i] == '2';
        ret_end->repeated[1] |= text[i] == '1';
    }
    return true;
}

static bool read_gap(const char *text, struct end *ret_end)
{
    regmatch_t match[3];

    ret_end->outcome = STORE_REFUSED;
    ret_end->gap = true;
    return regexec(&gap_form, text, 3, match, 0) == 0 &&
           read_number(text, &match[1], &ret_end->at.sequence) &&
           read_number(text, &match[2], &ret_end->at.visits);
}

static bool read_verdict(const char *text, struct end *ret_end)
{
    regmatch_t match[2];

    ret_end->outcome = STORE_REFUSED;
    if (strncmp(text, "TORN ", 5) == 0) {
        ret_end->is_torn = true;
        return true;
    }
    ret_end->is_outdated = true;
    return regexec(&outdated_form, text, 2, match, 0) == 0 &&
           read_number(text, &match[1], &ret_end->generation) &&
           ret_end->generation <= STORE_GENERATION_MAX;
}

static struct end read_text(const redisReply *reply)
{
    struct end end = {.calls = 1};

    if (strlen(reply->str) == reply->len && read_answer(reply->str, &end)) {
        return end;
    }
    end = (struct end){.calls = 1};
    if (strlen(reply->str) == reply->len && read_gap(reply->str, &end)) {
        return end;
    }
    end = (struct end){.calls = 1};
    if (strlen(reply->str) == reply->len && read_verdict(reply->str, &end)) {
        return end;
    }
    return (struct end){.calls = 1, .outcome = STORE_UNKNOWN};
}

/* whether the server lacks the script, or the command that runs it by its name */
static bool lacks_script(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR &&
           (strncmp(reply->str, "NOSCRIPT", 8) == 0 ||
            (strncmp(reply->str, "ERR", 3) == 0 &&
             (strcasestr(reply->str, "unknown command") != NULL ||
              strcasestr(reply->str, "unsupported") != NULL ||
              strcasestr(reply->str, "not supported") != NULL)));
}

/*
 * The first reply decides. If Redis does not have the script, the link sends it, and the next reply
 * decides.
 */
static struct end expect(const char *bytes, size_t length)
{
    struct end end = {.calls = 1, .outcome = STORE_UNKNOWN};
    redisReader *reader = redisReaderCreate();
    void *replied = NULL;
    bool may_lack = true;
    bool again = true;

    check_that(reader != NULL && redisReaderFeed(reader, bytes, length) == REDIS_OK);
    while (again && redisReaderGetReply(reader, &replied) == REDIS_OK && replied != NULL) {
        const redisReply *reply = replied;

        again = may_lack && lacks_script(reply);
        may_lack = false;
        if (reply->type == REDIS_REPLY_ERROR && !again) {
            end.outcome = STORE_REFUSED;
        } else if (reply->type == REDIS_REPLY_STRING) {
            end = read_text(reply);
        }
        freeReplyObject(replied);
        replied = NULL;
    }
    redisReaderFree(reader);
    return end;
}

/* --- comparison of both --- */

static struct loop *prepare(void)
{
    const char *answer = "^(OK|DUP) " NUMBER " " NUMBER " " NUMBER "( ~( 0*[12])+)?"
                         "( \\^ " NUMBER " " NUMBER "(( [0-9]+)*))?"
                         "( \\? 0*([0-9]{1,4}|1[0-3][0-9]{3}|14[0-3][0-9]{2}|14400))?( ! .*)?$";

    log_set_level(LOG_LEVEL_ERROR);
    check_that(regcomp(&answer_form, answer, REG_EXTENDED) == 0);
    check_that(regcomp(&gap_form, "^GAP ([0-9]+) ([0-9]+)$", REG_EXTENDED) == 0);
    check_that(regcomp(&outdated_form, "^OUTDATED ([0-9]+)$", REG_EXTENDED) == 0);
    return loop_create();
}

static struct end apply(struct loop *loop, const char *bytes, size_t length, size_t piece)
{
    static const char handshake[] = "+OK\r\n$20\r\nredis_version:7.0.15\r\n"
                                    "$40\r\n0123456789012345678901234567890123456789\r\n"
                                    "*1\r\n$6\r\nmaster\r\n";
    const struct redis_store_options options = {
        .link = {.address = {.host = "127.0.0.1", .port = 6379},
                 .username = "",
                 .password = "",
                 .connect_timeout_ms = 1000,
                 .command_timeout_ms = 1000},
        .instance = "fuzz",
    };
    const char *reason;
    struct store *store = redis_store_create(loop, &options, &reason);
    struct store_health health;
    struct end end = {0};

    stream.callbacks->on_open(stream.data);
    receive(handshake, sizeof(handshake) - 1, SIZE_MAX);
    store_health(store, &health);
    check_that(health.available);
    store_apply(store, &batch, on_applied, &end);
    receive(bytes, length, piece);
    store_destroy(store);
    return end;
}

static void check_end(const struct end *end, const struct end *expected)
{
    check_that(end->calls == 1 && end->outcome == expected->outcome);
    check_that(end->gap == expected->gap && end->duplicate == expected->duplicate);
    check_that(end->is_torn == expected->is_torn && end->is_outdated == expected->is_outdated);
    check_that(end->generation == expected->generation);
    check_that(end->old_version_s == expected->old_version_s);
    check_that(end->at.sequence == expected->at.sequence && end->at.visits == expected->at.visits);
    check_that(memcmp(end->numbers, expected->numbers, sizeof(end->numbers)) == 0);
    check_that(memcmp(end->repeated, expected->repeated, sizeof(end->repeated)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct loop *loop;
    struct end expected;
    struct end end;

    if (loop == NULL) {
        loop = prepare();
    }
    expected = expect((const char *)bytes, length);
    end = apply(loop, (const char *)bytes, length, SIZE_MAX);
    check_end(&end, &expected);
    end = apply(loop, (const char *)bytes, length, 1);
    check_end(&end, &expected);
    return 0;
}
