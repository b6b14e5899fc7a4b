/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "store/redis/redis_request_inside.h"
#include "store/redis/redis_scripts.h"

#include "base/asset.h"

#include <hiredis/hiredis.h>

#include <stdlib.h>

ASSET_JOINED(redis_repair_lua, "src/store/redis/proof.lua", "src/store/redis/repair.lua");
ASSET_DECLARE(redis_repair_lua);

/* the number of numbers in the script's answer */
#define NUMBER_COUNT 6

/* parses the answer of repair.lua; returns false if it is malformed */
static bool parse_repaired(const char *text, struct store_repaired *ret_repaired)
{
    uint64_t numbers[NUMBER_COUNT];

    text = redis_request_parse_numbers(text, numbers, NUMBER_COUNT);
    if (text == NULL || *text != ' ') {
        return false;
    }
    *ret_repaired = (struct store_repaired){.outcome = STORE_OK,
                                            .torn = text + 1,
                                            .is_done = numbers[4] != STORE_NONE,
                                            .ledger_total = numbers[0],
                                            .hits_total = numbers[1],
                                            .pages = numbers[2],
                                            .generation = numbers[3],
                                            .generation_after = numbers[4],
                                            .total = numbers[5]};
    return true;
}

static void finish_repair(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct store_repaired repaired = {0};

    if (!parse_repaired(redis_request_text_of(reply), &repaired)) {
        repaired.outcome = redis_request_failure(request, reply, reason, &repaired.reason);
    }
    request->on_repaired(request->data, &repaired);
    free(request);
}

static const char *name_of_trust(const struct store_repair *repair)
{
    if (repair->is_look) {
        return "LOOK";
    }
    return repair->trusts_hits ? "HITS" : "NUMBER";
}

void redis_store_repair(struct store *store, const struct store_repair *repair,
                        store_on_repaired on_repaired, void *data)
{
#define NEXT(name) REDIS_NEXT_ARGUMENT(command, before, repair, name)
    struct redis_request *request = redis_request_create(store, data, finish_repair);
    struct redis_command *command = &request->store->command;
    size_t before;

    require(repair->site[0] != '\0');
    request->on_repaired = on_repaired;
    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_repair_lua);
    redis_command_add_u64(command, REDIS_REPAIR_KEY_COUNT);
    redis_request_add_key(REDIS_NEXT_KEY(command, repair, hits_key), repair->site, "hits");
    redis_request_add_key(REDIS_NEXT_KEY(command, repair, ledger_key), repair->site, "ledger");
    before = command->count;
    redis_command_add_text(NEXT(trust), name_of_trust(repair));
    redis_command_add_u64(NEXT(number), repair->number);
    redis_command_add_text(NEXT(is_forced), repair->is_forced ? "1" : "0");
    redis_command_add_u64(NEXT(known), repair->generation);
    redis_command_add_text(NEXT(expects_mark), repair->expects_mark ? "1" : "0");
    redis_request_add_channel(NEXT(channel), repair->site);
    redis_scripts_next(command, before, REDIS_REPAIR_ARGUMENT_COUNT);
    redis_request_send(request);
#undef NEXT
}
