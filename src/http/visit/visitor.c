/* SPDX-License-Identifier: MIT */
/* The only file that uses libsodium. */
#include "http/visit/visitor.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/scratch.h"
#include "store/store_call.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USER_AGENT_BYTES 1024
#define TOKEN_LENGTH     16

/* time zones span three days at once; tomorrow's salts are requested early */
#define SALTS 6

#define AHEAD_S       600   /* tomorrow's salts are requested this long before midnight */
#define LOOK_MS       30000 /* interval of the check for needed salts */
#define LOOK_AGAIN_MS 100   /* the same while one is missing */
#define DAY_S         86400
#define KEPT_DAYS     2 /* no place on earth is further behind the UTC day */

struct salt {
    uint64_t day;
    bool is_used; /* the entry is in use */
    bool is_known;
    bool is_asked; /* a call is open */
    unsigned char key[crypto_shorthash_siphash24_KEYBYTES];
};

struct visitors {
    struct loop *loop;
    struct store *store;
    struct store_listener listener;
    const struct sites *sites;
    struct loop_timer look;
    struct list calls;
    bool has_asked;  /* the store has answered the first questions, with a salt or not */
    bool is_missing; /* a salt that is needed now is missing */
    struct trouble trouble;
    struct salt salts[SALTS];
};

/** An open call for the salt of a day. The visitors own it. */
struct salt_call {
    struct store_call call;
    struct list link; /* in `calls` */
    uint64_t day;
};

/* Salts */

static struct salt *find_salt(struct visitors *visitors, uint64_t day)
{
    for (size_t i = 0; i < SALTS; i++) {
        if (visitors->salts[i].is_used && visitors->salts[i].day == day) {
            return &visitors->salts[i];
        }
    }
    return NULL;
}

/** Sets the key: a BLAKE2b digest of the salt, with the length of a SipHash key. */
static void set_key(struct salt *salt, const char *text)
{
    crypto_generichash(salt->key, sizeof(salt->key), (const unsigned char *)text, STORE_SALT_LENGTH,
                       NULL, 0);
    salt->is_known = true;
}

static bool is_any_missing(const struct visitors *visitors)
{
    for (size_t i = 0; i < SALTS; i++) {
        if (visitors->salts[i].is_used && !visitors->salts[i].is_known) {
            return true;
        }
    }
    return false;
}

/** The visitors let go of a call, whether it is answered or not. */
static void end_call(struct salt_call *call)
{
    list_remove(&call->link);
    store_call_release(&call->call);
}

static void on_salt(void *data, const struct store_salt *answer)
{
    struct salt_call *call = data;
    struct visitors *visitors = store_call_end(&call->call);
    struct salt *salt;

    if (visitors == NULL) {
        return;
    }
    salt = find_salt(visitors, call->day);
    if (salt != NULL) {
        salt->is_asked = false;
        if (answer->outcome == STORE_OK) {
            set_key(salt, answer->salt);
            visitors->is_missing = is_any_missing(visitors);
        }
    }
    if (answer->outcome != STORE_OK) {
        trouble_note(&visitors->trouble, answer->reason);
    } else if (!visitors->is_missing) {
        trouble_end(&visitors->trouble);
    }
    end_call(call);
    visitors->has_asked |= list_is_empty(&visitors->calls);
}

static void ask(struct visitors *visitors, struct salt *salt)
{
    struct salt_call *call = store_call_create(sizeof(*call), visitors);

    call->day = salt->day;
    list_append(&visitors->calls, &call->link);
    salt->is_asked = true;
    store_call_begin(&call->call);
    store_salt(visitors->store, salt->day, on_salt, call);
}

/** Returns a free entry. Evicts the earliest day if there is none. */
static struct salt *make_salt(struct visitors *visitors, uint64_t day)
{
    struct salt *earliest = &visitors->salts[0];

    for (size_t i = 0; i < SALTS; i++) {
        struct salt *salt = &visitors->salts[i];

        if (!salt->is_used) {
            earliest = salt;
            break;
        }
        if (salt->day < earliest->day) {
            earliest = salt;
        }
    }
    sodium_memzero(earliest, sizeof(*earliest));
    earliest->day = day;
    earliest->is_used = true;
    return earliest;
}

static bool is_store_there(const struct visitors *visitors)
{
    struct store_health health;

    store_health(visitors->store, &health);
    return health.available;
}

static void want_day(struct visitors *visitors, uint64_t day)
{
    struct salt *salt = find_salt(visitors, day);

    if (salt == NULL) {
        salt = make_salt(visitors, day);
    }
    if (!salt->is_known && !salt->is_asked && is_store_there(visitors)) {
        ask(visitors, salt);
    }
}

static void want_days_of(void *data, const struct site_rules *rules)
{
    uint64_t second = clock_wall_ms() / 1000;

    if (rules->keeps_visitors || rules->counts_unique) {
        want_day(data, zone_day(rules->zone, second));
        want_day(data, zone_day(rules->zone, second + AHEAD_S));
    }
}

/**
 * Forgets salts of past days and of days too far ahead. The latter come from a clock that was
 * ahead; they would otherwise stay until that day.
 */
static void forget_other_days(struct visitors *visitors)
{
    uint64_t today = clock_wall_ms() / 1000 / DAY_S;

    for (size_t i = 0; i < SALTS; i++) {
        struct salt *salt = &visitors->salts[i];

        if (salt->is_used && (salt->day + KEPT_DAYS <= today || salt->day > today + KEPT_DAYS)) {
            sodium_memzero(salt, sizeof(*salt));
        }
    }
}

static void look(struct visitors *visitors)
{
    forget_other_days(visitors);
    sites_for_each(visitors->sites, want_days_of, visitors);
    visitors->is_missing = is_any_missing(visitors);
    loop_timer_start(visitors->loop, &visitors->look,
                     visitors->is_missing ? LOOK_AGAIN_MS : LOOK_MS);
}

static void on_look(struct loop_timer *timer)
{
    look(container_of(timer, struct visitors, look));
}

static void on_store_change(struct store_listener *listener, bool available)
{
    if (available) {
        look(container_of(listener, struct visitors, listener));
    }
}

/* Life */

struct visitors *visitors_create(struct loop *loop, struct store *store, const struct sites *sites)
{
    struct visitors *visitors = alloc_zero(1, sizeof(*visitors));

    visitors->loop = loop;
    visitors->store = store;
    list_init(&visitors->calls);
    trouble_init(&visitors->trouble, loop, store, "salt of the day",
                 "visitors are not told apart; visits are counted");
    loop_timer_init(&visitors->look, on_look);
    visitors->listener.on_change = on_store_change;
    store_listen(store, &visitors->listener);
    visitors_configure(visitors, sites);
    return visitors;
}

void visitors_destroy(struct visitors *visitors)
{
    if (visitors == NULL) {
        return;
    }
    while (!list_is_empty(&visitors->calls)) {
        end_call(container_of(visitors->calls.next, struct salt_call, link));
    }
    store_unlisten(visitors->store, &visitors->listener);
    loop_timer_stop(&visitors->look);
    sodium_memzero(visitors->salts, sizeof(visitors->salts));
    free(visitors);
}

bool visitors_are_told_apart(const struct visitors *visitors)
{
    return !visitors->is_missing;
}

const struct trouble *visitors_trouble(const struct visitors *visitors)
{
    return &visitors->trouble;
}

bool visitors_are_awaited(const struct visitors *visitors)
{
    return !visitors->has_asked && !list_is_empty(&visitors->calls);
}

void visitors_configure(struct visitors *visitors, const struct sites *sites)
{
    visitors->sites = sites;
    look(visitors);
}

/* Visits */

static uint64_t hash(const struct salt *salt, const void *bytes, size_t length)
{
    uint64_t value;

    _Static_assert(sizeof(value) == crypto_shorthash_siphash24_BYTES, "64 bits");
    crypto_shorthash_siphash24((unsigned char *)&value, bytes, length, salt->key);
    return value != 0 ? value : 1;
}

static bool wants_no_tracking(const struct request_headers *headers)
{
    return h2o_memis(headers->dnt.base, headers->dnt.len, "1", 1) ||
           h2o_memis(headers->gpc.base, headers->gpc.len, "1", 1);
}

/* bytes of an IPv6 address that tell visitors apart: a subscriber chooses the rest */
#define V6_BYTES 8

/** Returns the visitor's hash on this site, or 0 if the visitor cannot be identified. */
static uint64_t hash_visitor(const struct client *client, const struct page_ref *page_ref,
                             const struct salt *salt)
{
    SCRATCH unsigned char bytes[sizeof(client->address) + STORE_SITE_MAX + 1 + USER_AGENT_BYTES];
    h2o_iovec_t agent = client->headers.user_agent;
    unsigned char *at = bytes;

    if (client->source == CLIENT_UNKNOWN || wants_no_tracking(&client->headers) || salt == NULL ||
        !salt->is_known) {
        return 0;
    }
    at = mempcpy(at, &client->address,
                 IN6_IS_ADDR_V4MAPPED(&client->address) ? sizeof(client->address) : V6_BYTES);
    at = mempcpy(at, page_ref->site, page_ref->site_length + 1); /* with the NUL as a separator */
    if (agent.len != 0) {
        at = mempcpy(at, agent.base, agent.len < USER_AGENT_BYTES ? agent.len : USER_AGENT_BYTES);
    }
    return hash(salt, bytes, (size_t)(at - bytes));
}

/** Sets the token that identifies a further visit of this page by this visitor on the same day. */
static void set_token(h2o_mem_pool_t *pool, const struct salt *salt, const struct page_key *page,
                      struct visit *visit, uint64_t visitor)
{
    SCRATCH unsigned char bytes[sizeof(visitor) + STORE_PAGE_MAX];
    char *token = h2o_mem_alloc_pool(pool, TOKEN_LENGTH + 1);

    memcpy(bytes, &visitor, sizeof(visitor));
    memcpy(bytes + sizeof(visitor), page->bytes, page->length);
    snprintf(token, TOKEN_LENGTH + 1, "%016" PRIx64,
             hash(salt, bytes, sizeof(visitor) + page->length));
    visit->token = token;
    visit->token_length = TOKEN_LENGTH;
    visit->token_window = STORE_WINDOW_DAY;
}

void visitors_identify(struct visitors *visitors, h2o_mem_pool_t *pool, const struct client *client,
                       const struct page_ref *page_ref, struct visit *visit)
{
    const struct site_rules *rules = page_ref->rules;
    const struct salt *salt;
    uint64_t visitor;

    visit->day = zone_day(rules->zone, visit->second);
    visit->pages_max = rules->pages_max;
    visit->visitor = 0;
    if (!rules->keeps_visitors && !rules->counts_unique) {
        return;
    }
    salt = find_salt(visitors, visit->day);
    if (salt == NULL) {
        look(visitors); /* the clock was set or the machine slept: get the salt for later visits */
    }
    visitor = hash_visitor(client, page_ref, salt);
    if (rules->keeps_visitors) {
        visit->visitor = visitor;
    }
    if (rules->counts_unique && visitor != 0) {
        set_token(pool, salt, &page_ref->page, visit, visitor);
    }
}
