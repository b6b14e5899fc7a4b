/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "store/redis/redis_request_inside.h"

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

    text = redis_parse_numbers(text, numbers, NUMBER_COUNT);
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

    if (!parse_repaired(redis_text_of(reply), &repaired)) {
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

/* repair.lua describes KEYS and ARGV */
void redis_repair(struct store *store, const struct store_repair *repair,
                  store_on_repaired on_repaired, void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_repair);
    struct redis_command *command = &request->store->command;

    require(repair->site[0] != '\0');
    request->on_repaired = on_repaired;
    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_repair_lua);
    redis_command_add_text(command, "2");
    redis_add_key(command, repair->site, "hits");
    redis_add_key(command, repair->site, "ledger");
    redis_command_add_text(command, name_of_trust(repair));
    redis_command_add_u64(command, repair->number);
    redis_command_add_text(command, repair->is_forced ? "1" : "0");
    redis_command_add_u64(command, repair->generation);
    redis_command_add_text(command, repair->expects_mark ? "1" : "0");
    redis_add_channel(command, repair->site);
    redis_request_send(request);
}
