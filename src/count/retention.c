/* SPDX-License-Identifier: MIT */
#include "count/retention.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/require.h"
#include "base/units.h"

/* how often a site's lack of room is logged */
#define SAY_INTERVAL_MS 60000

static struct lane_retention *lane_of(struct list *link)
{
    return container_of(link, struct lane_retention, link);
}

/* --- room --- */

/* the memory that retained batches would take if each lane had at most `max_bytes` */
static uint64_t bytes_with(const struct retention *retention, uint64_t max_bytes)
{
    uint64_t total = 0;

    list_for_each(link, &retention->lanes) {
        uint64_t bytes = lane_of(link)->session->ledger.retained_bytes;

        total += bytes < max_bytes ? bytes : max_bytes;
    }
    return total;
}

uint64_t retention_bytes(const struct retention *retention)
{
    return bytes_with(retention, UINT64_MAX);
}

/*
 * Returns the limit of a lane: retain_max_bytes, or less if all lanes together would exceed
 * retain_total_bytes. So the lanes that take most memory lose batches, and small ones lose none.
 */
static uint64_t lane_max_bytes(const struct retention *retention)
{
    uint64_t total = retention->options->retain_total_bytes;
    uint64_t most = retention->options->retain_max_bytes;
    uint64_t least = 0;

    if (total == 0 || bytes_with(retention, most) <= total) {
        return most;
    }
    while (most - least > 1) {
        uint64_t middle = least + (most - least) / 2;

        if (bytes_with(retention, middle) <= total) {
            least = middle;
        } else {
            most = middle;
        }
    }
    return least;
}

static void say_unprotected(struct site_retention *site, uint64_t max_bytes, uint64_t now_ms)
{
    const struct engine_options *options = site->retention->options;
    char size[UNITS_TEXT_MAX];
    bool is_total = max_bytes < options->retain_max_bytes;
    const char *name = is_total ? "ledger.retain_total" : "ledger.retain_max";

    if (site->unprotected == 0 ||
        (site->said_at_ms != 0 && now_ms - site->said_at_ms < SAY_INTERVAL_MS)) {
        return;
    }
    log_warning(
        "store: site %s: %s, %s, is reached: %llu visits that were counted "
        "are no longer kept here, and are lost if the store comes back without them; a "
        "larger %s keeps more",
        site->name, name,
        units_format_size(is_total ? options->retain_total_bytes : options->retain_max_bytes, size),
        (unsigned long long)site->unprotected, name);
    site->unprotected = 0;
    site->said_at_ms = now_ms;
}

/* --- time --- */

/*
 * Returns the time before which answered batches are dropped: they are old enough and on all
 * replicas.
 *
 * Time does not count while the store is away or refuses visits. It may come back without its last
 * acknowledgements, or fail over to a replica that lacks them, however long that takes.
 */
static uint64_t forget_before_ms(const struct retention *retention, uint64_t now_ms)
{
    uint64_t retain_ms = retention->options->retain_ms;
    struct store_health health;

    if (!breaker_has_worked_for(retention->breaker, now_ms, retain_ms)) {
        return 0;
    }
    store_health(retention->store, &health);
    return now_ms - retain_ms < health.replicated_before_ms ? now_ms - retain_ms
                                                            : health.replicated_before_ms;
}

/*
 * Returns the time before which retained batches are dropped in any case. The store may have
 * forgotten their epoch, and its position would look like a loss.
 */
static uint64_t swept_before_ms(const struct retention *retention, uint64_t now_ms)
{
    uint64_t unused_ms = retention->options->ledger_ttl_ms / 2;

    return now_ms > unused_ms ? now_ms - unused_ms : 0;
}

static void forget_in_lane(struct lane_retention *lane, uint64_t before_ms, uint64_t max_bytes)
{
    struct site_retention *site = lane->site;
    uint64_t unprotected = ledger_forget(
        &lane->session->ledger, session_may_resend(lane->session) ? 0 : before_ms, max_bytes);

    site->unprotected += unprotected;
    site->retention->stats->unprotected += unprotected;
}

void retention_forget(struct retention *retention)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t retain_ms = retention->options->retain_ms;
    uint64_t before_ms = forget_before_ms(retention, now_ms);
    uint64_t swept_ms = swept_before_ms(retention, now_ms);
    uint64_t max_bytes = lane_max_bytes(retention);

    list_for_each(link, &retention->lanes) {
        struct lane_retention *lane = lane_of(link);
        uint64_t lane_ms =
            breaker_has_site_worked_for(lane->site->breaker, now_ms, retain_ms) ? before_ms : 0;

        forget_in_lane(lane, lane_ms > swept_ms ? lane_ms : swept_ms, max_bytes);
    }
    list_for_each(link, &retention->sites) {
        say_unprotected(container_of(link, struct site_retention, link), max_bytes, now_ms);
    }
}

/* --- the parts of the engine, its sites and lanes --- */

void retention_init(struct retention *retention, struct store *store,
                    const struct engine_options *options, const struct breaker *breaker,
                    struct stats *stats)
{
    *retention =
        (struct retention){.store = store, .options = options, .breaker = breaker, .stats = stats};
    list_init(&retention->sites);
    list_init(&retention->lanes);
}

void retention_finish(struct retention *retention)
{
    require(list_is_empty(&retention->lanes));
    require(list_is_empty(&retention->sites));
}

void retention_init_site(struct site_retention *site, struct retention *retention,
                         const struct site_breaker *breaker, const char *name)
{
    *site = (struct site_retention){.retention = retention, .breaker = breaker, .name = name};
    list_append(&retention->sites, &site->link);
}

void retention_finish_site(struct site_retention *site)
{
    list_remove(&site->link);
}

void retention_init_lane(struct lane_retention *lane, struct site_retention *site,
                         struct session *session)
{
    *lane = (struct lane_retention){.site = site, .session = session};
    list_append(&site->retention->lanes, &lane->link);
}

void retention_finish_lane(struct lane_retention *lane)
{
    list_remove(&lane->link);
}
