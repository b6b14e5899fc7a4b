/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "base/alloc.h"
#include "store/redis/redis_request_inside.h"
#include "store/redis/redis_scripts.h"

#include "base/asset.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>

ASSET_JOINED(redis_ledger_lua, "src/store/redis/proof.lua", "src/store/redis/ledger.lua");
ASSET_DECLARE(redis_ledger_lua);

struct asking {
    struct redis_request request;
    const char *site;
    const char *epoch;
};

/* parses "AT 12 345 1700000000 ...": sequence, visits and time; returns false if it is no entry */
static bool parse_position(const char *text, struct store_position *ret_at)
{
    uint64_t numbers[3];

    if (*text == '\0') {
        return true;
    }
    text = redis_request_parse_numbers(text, numbers, 3);
    if (text == NULL || numbers[0] == STORE_NONE || numbers[1] == STORE_NONE ||
        numbers[2] == STORE_NONE) {
        return false;
    }
    *ret_at = (struct store_position){.sequence = numbers[0], .visits = numbers[1]};
    return true;
}

static void end_asking(struct asking *asking, const struct store_ledger *ledger)
{
    asking->request.on_ledger(asking->request.data, ledger);
    free(asking);
}

static void finish_at(struct asking *asking, const char *text)
{
    struct store_ledger ledger = {.outcome = STORE_OK};
    char unreadable[REDIS_KEY_MAX + STORE_EPOCH_LENGTH + 64];

    if (!parse_position(text, &ledger.at)) {
        snprintf(unreadable, sizeof(unreadable),
                 "the ledger is unreadable: vc:{%s}:ledger, field %s", asking->site, asking->epoch);
        ledger = (struct store_ledger){.outcome = STORE_REFUSED, .reason = unreadable};
    }
    end_asking(asking, &ledger);
}

static void finish_ledger(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct asking *asking = container_of(request, struct asking, request);
    const char *text = redis_request_text_of(reply);
    struct store_ledger ledger = {.outcome = STORE_REFUSED};
    struct redis_verdict verdict;

    if (redis_request_starts_with(text, "AT")) {
        finish_at(asking, text + 2);
        return;
    }
    if (redis_verdict_parse(text, &verdict)) {
        ledger.is_torn = verdict.is_torn;
        ledger.is_outdated = verdict.is_outdated;
        ledger.generation = verdict.generation;
        ledger.reason = verdict.reason;
    } else {
        ledger.scope = redis_request_scope(reply);
        redis_request_failure(request, reply, reason, &ledger.reason);
        ledger.scope = redis_request_scope(reply);
    }
    end_asking(asking, &ledger);
}

void redis_store_ledger(struct store *store, const char *site, const char *epoch,
                        store_on_ledger on_ledger, void *data)
{
    struct asking *asking = alloc_zero(1, sizeof(*asking));
    struct redis_command *command;

    size_t before;

    require(strlen(epoch) == STORE_EPOCH_LENGTH);
    redis_request_init(&asking->request, store, data, finish_ledger);
    asking->request.on_ledger = on_ledger;
    asking->site = site;
    asking->epoch = epoch;
    command = &asking->request.store->command;
    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_ledger_lua);
    redis_command_add_u64(command, REDIS_LEDGER_KEY_COUNT);
    redis_request_add_key(REDIS_NEXT_KEY(command, ledger, hits_key), site, "hits");
    redis_request_add_key(REDIS_NEXT_KEY(command, ledger, ledger_key), site, "ledger");
    before = command->count;
    redis_command_add_text(REDIS_NEXT_ARGUMENT(command, before, ledger, epoch), epoch);
    redis_scripts_next(command, before, REDIS_LEDGER_ARGUMENT_COUNT);
    redis_request_send(&asking->request);
}
