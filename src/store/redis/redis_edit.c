/* SPDX-License-Identifier: MIT */
#include "base/require.h"
#include "base/alloc.h"
#include "store/redis/redis_request_inside.h"
#include "store/redis/redis_scripts.h"

#include "base/asset.h"
#include "base/clock.h"
#include "store/salt.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ASSET_JOINED(redis_edit_lua, "src/store/redis/proof.lua", "src/store/redis/edit.lua");
ASSET_DECLARE(redis_edit_lua);
ASSET(redis_admit_lua, "src/store/redis/admit.lua");
ASSET_DECLARE(redis_admit_lua);
ASSET(redis_salt_lua, "src/store/redis/salt.lua");
ASSET_DECLARE(redis_salt_lua);

#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_DAY  86400

/* --- edit --- */

/* most keys of one command; the other arguments are operation, page and so on */
#define EDIT_KEYS_MAX (REDIS_ARGUMENTS_MAX - 16)

/* a range of days and a range of hours in a site's history */
struct stretch {
    uint64_t first_day;
    uint64_t day_count;
    uint64_t first_hour;
    uint64_t hour_count;
};

/* returns the first of `count` steps before `end`, but not before 1970 */
static uint64_t first_of(uint64_t end, uint64_t count)
{
    return end > count ? end - count : 0;
}

/*
 * An open edit. A history that is too long for one command is edited in several: first the older
 * parts, last the latest part with the totals. So an interrupted edit can be repeated, and
 * continues where it stopped. The older parts get no more visits meanwhile.
 */
struct editing {
    struct redis_request request;
    const struct store_edit *edit;
    struct stretch left; /* days and hours that are still to be edited */
    bool is_last;        /* the command in flight changes the totals */
    bool was_changed;    /* an earlier command succeeded */
};

/* returns the days and hours that may have numbers, including tomorrow for zones ahead of UTC */
static struct stretch find_kept(const struct redis_store *store, const struct store_edit *edit)
{
    uint64_t now_s = clock_wall_ms() / 1000;
    struct stretch kept = {0};

    if (edit->kind == STORE_DELETE || edit->kind == STORE_RENAME) {
        kept.day_count = store->day_ttl_s / SECONDS_PER_DAY + 4;
        kept.first_day = first_of(now_s / SECONDS_PER_DAY + 2, kept.day_count);
        kept.hour_count = store->hour_ttl_s / SECONDS_PER_HOUR + 3;
        kept.first_hour = first_of(now_s / SECONDS_PER_HOUR + 2, kept.hour_count);
    }
    return kept;
}

/* number of keys per day: its numbers, and the visitors of one page or two */
static uint64_t keys_per_day(const struct store_edit *edit)
{
    return edit->kind == STORE_RENAME ? 3 : 2;
}

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/*
 * Takes the part for the next command from the start of `editing->left`: all of it if it fits, else
 * some of the days or hours that are too old for the last command.
 */
static struct stretch choose_stretch(struct editing *editing)
{
    struct stretch *left = &editing->left;
    uint64_t per_day = keys_per_day(editing->edit);
    uint64_t late_days = EDIT_KEYS_MAX / (per_day + 24);
    struct stretch taken = *left;

    editing->is_last = 2 + per_day * left->day_count + left->hour_count <= EDIT_KEYS_MAX;
    if (editing->is_last) {
        return taken;
    }
    if (left->day_count > late_days) {
        taken.day_count = least(left->day_count - late_days, (EDIT_KEYS_MAX - 2) / per_day);
        taken.hour_count = 0;
    } else {
        taken.day_count = 0;
        taken.hour_count = least(left->hour_count - (24 * late_days - 1), EDIT_KEYS_MAX - 2);
    }
    left->first_day += taken.day_count;
    left->day_count -= taken.day_count;
    left->first_hour += taken.hour_count;
    left->hour_count -= taken.hour_count;
    return taken;
}

static void add_edit_keys(struct redis_store *store, const struct store_edit *edit,
                          const struct stretch *kept)
{
    struct redis_command *command = &store->command;
    uint64_t pages = keys_per_day(edit) - 1;

    redis_command_add_u64(command, 2 + (1 + pages) * kept->day_count + kept->hour_count);
    redis_request_add_key(REDIS_NEXT_KEY(command, edit, hits_key), edit->site, "hits");
    redis_request_add_key(REDIS_NEXT_KEY(command, edit, ledger_key), edit->site, "ledger");
    redis_scripts_next(command, REDIS_SCRIPT_WORDS, REDIS_EDIT_KEY_COUNT);
    for (uint64_t i = 0; i < kept->day_count; i++) {
        redis_request_add_day_key(store, edit->site, kept->first_day + i);
    }
    for (uint64_t i = 0; i < kept->hour_count; i++) {
        redis_request_add_hour_key(store, edit->site, kept->first_hour + i);
    }
    for (uint64_t i = 0; i < kept->day_count; i++) {
        redis_request_add_visitors_key(store, edit->site, kept->first_day + i, edit->page,
                                       edit->page_length);
    }
    for (uint64_t i = 0; i < kept->day_count && pages == 2; i++) {
        redis_request_add_visitors_key(store, edit->site, kept->first_day + i, edit->to,
                                       edit->to_length);
    }
}

static void send_edit(struct editing *editing)
{
#define NEXT(name) REDIS_NEXT_ARGUMENT(command, before, edit, name)
    static const char *const operations[] = {"SET", "ADD", "DELETE", "RENAME"};
    const struct store_edit *edit = editing->edit;
    struct redis_store *store = editing->request.store;
    struct redis_command *command = &store->command;
    struct stretch taken = choose_stretch(editing);
    size_t before;

    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_edit_lua);
    add_edit_keys(store, edit, &taken);
    before = command->count;
    redis_command_add_text(NEXT(operation), operations[edit->kind]);
    redis_command_add(NEXT(page), edit->page, edit->page_length);
    if (edit->kind == STORE_RENAME) {
        redis_command_add(NEXT(operand), edit->to, edit->to_length);
    } else {
        redis_command_add_u64(NEXT(operand), edit->number);
    }
    redis_command_add_u64(NEXT(day_count), taken.day_count);
    redis_command_add_u64(NEXT(hour_count), taken.hour_count);
    redis_command_add_u64(NEXT(day_ttl), store->day_ttl_s);
    redis_command_add_u64(NEXT(largest), STORE_NUMBER_MAX);
    redis_request_add_channel(NEXT(channel), edit->site);
    redis_command_add_text(NEXT(is_part), editing->is_last ? "0" : "1");
    redis_command_add_text(NEXT(expects_mark), edit->expects_mark ? "1" : "0");
    redis_scripts_next(command, before, REDIS_EDIT_ARGUMENT_COUNT);
    redis_request_send(&editing->request);
#undef NEXT
}

/* fails the edit with the reason; for a torn site, adds the command that repairs it */
static void fail_edit(struct editing *editing, const redisReply *reply, const char *reason)
{
    struct store_edited edited = {0};
    struct redis_verdict verdict;
    char torn[sizeof(verdict.reason) + STORE_SITE_MAX + 64];

    if (redis_verdict_parse(redis_request_text_of(reply), &verdict)) {
        snprintf(torn, sizeof(torn), "%s; repair it: visitcountctl repair %s --trust hits|NUMBER",
                 verdict.reason, editing->edit->site);
        edited = (struct store_edited){.outcome = STORE_REFUSED, .reason = torn};
    } else {
        edited.outcome = redis_request_failure(&editing->request, reply, reason, &edited.reason);
    }
    if (editing->was_changed) {
        edited.outcome = STORE_UNKNOWN; /* partly applied: the operator must repeat it */
    }
    editing->request.on_edited(editing->request.data, &edited);
    free(editing);
}

static void finish_edit(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct editing *editing = container_of(request, struct editing, request);
    struct store_edited edited = {.outcome = STORE_OK};
    uint64_t numbers[2];

    if (redis_request_parse_numbers(redis_request_text_of(reply), numbers, 2) == NULL) {
        fail_edit(editing, reply, reason);
        return;
    }
    if (!editing->is_last) {
        editing->was_changed = true;
        send_edit(editing);
        return;
    }
    edited.before = numbers[0];
    edited.after = numbers[1];
    request->on_edited(request->data, &edited);
    free(editing);
}

void redis_store_edit(struct store *store, const struct store_edit *edit, store_on_edited on_edited,
                      void *data)
{
    struct editing *editing = alloc_zero(1, sizeof(*editing));

    require(strlen(edit->site) <= STORE_SITE_MAX);
    redis_request_init(&editing->request, store, data, finish_edit);
    editing->request.on_edited = on_edited;
    editing->edit = edit;
    editing->left = find_kept(editing->request.store, edit);
    send_edit(editing);
}

/* --- admit --- */

static void finish_admit(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct store_admitted admitted = {.outcome = STORE_OK};

    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER) {
        admitted.is_admitted = reply->integer != 0;
        admitted.is_new = reply->integer == 2;
    } else {
        admitted.outcome = redis_request_failure(request, reply, reason, &admitted.reason);
    }
    request->on_admitted(request->data, &admitted);
    free(request);
}

void redis_store_admit(struct store *store, const char *site, uint64_t limit,
                       store_on_admitted on_admitted, void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_admit);
    struct redis_command *command = &request->store->command;
    size_t before;

    require(strlen(site) <= STORE_SITE_MAX);
    request->on_admitted = on_admitted;
    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_admit_lua);
    redis_command_add_u64(command, REDIS_ADMIT_KEY_COUNT);
    redis_command_add_text(REDIS_NEXT_KEY(command, admit, sites_key), REDIS_SITES_KEY);
    before = command->count;
    redis_command_add_text(REDIS_NEXT_ARGUMENT(command, before, admit, site), site);
    redis_command_add_u64(REDIS_NEXT_ARGUMENT(command, before, admit, limit), limit);
    redis_scripts_next(command, before, REDIS_ADMIT_ARGUMENT_COUNT);
    redis_request_send(request);
}

/* --- salt --- */

static void finish_salt(struct redis_call *call, const redisReply *reply, const char *reason)
{
    struct redis_request *request = redis_request_of(call);
    struct store_salt salt = {.outcome = STORE_OK};

    if (reply != NULL && reply->type == REDIS_REPLY_STRING && reply->len == STORE_SALT_LENGTH) {
        salt.salt = reply->str;
    } else {
        salt.outcome = redis_request_failure(request, reply, reason, &salt.reason);
    }
    request->on_salt(request->data, &salt);
    free(request);
}

void redis_store_salt(struct store *store, uint64_t day, store_on_salt on_salt, void *data)
{
    struct redis_request *request = redis_request_create(store, data, finish_salt);
    struct redis_command *command = &request->store->command;
    char salt[STORE_SALT_LENGTH + 1];
    size_t before;

    salt_draw(salt);
    request->on_salt = on_salt;
    redis_command_begin(command, "EVAL");
    redis_command_add_text(command, redis_salt_lua);
    redis_command_add_u64(command, REDIS_SALT_KEY_COUNT);
    redis_request_add_salt_key(REDIS_NEXT_KEY(command, salt, salt_key), day);
    before = command->count;
    redis_command_add_text(REDIS_NEXT_ARGUMENT(command, before, salt, new_salt), salt);
    redis_command_add_u64(REDIS_NEXT_ARGUMENT(command, before, salt, lifetime), salt_ttl_s(day));
    redis_scripts_next(command, before, REDIS_SALT_ARGUMENT_COUNT);
    redis_request_send(request);
    explicit_bzero(salt, sizeof(salt));
}
