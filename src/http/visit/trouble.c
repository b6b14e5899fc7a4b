/* SPDX-License-Identifier: MIT */
#include "http/visit/trouble.h"

#include "base/log.h"
#include "base/units.h"

#include <stdio.h>

#define WARN_AFTER_MS    1000
#define WARN_INTERVAL_MS 60000

/* a refusal expires after this time, because a question that is no longer asked may work again */
#define KNOWN_MS 60000

/* whether the last refusal is still current */
static bool is_known(const struct trouble *trouble, uint64_t now_ms)
{
    struct store_health health;

    store_health(trouble->store, &health);
    return trouble->since_ms != 0 && health.available &&
           trouble->refused_at_ms >= health.changed_at_ms &&
           now_ms - trouble->refused_at_ms <= KNOWN_MS;
}

static char *format_lasted(const struct trouble *trouble, uint64_t now_ms,
                           char text[UNITS_TEXT_MAX])
{
    uint64_t lasted_ms = now_ms - trouble->since_ms;

    return units_format_duration(lasted_ms - lasted_ms % 1000, text);
}

static void warn(struct trouble *trouble, uint64_t now_ms)
{
    char duration[UNITS_TEXT_MAX];

    log_warning("store: %s: refused for %s: %s; asking again, until then %s", trouble->what,
                format_lasted(trouble, now_ms, duration), trouble->reason, trouble->effect);
    trouble->warned_at_ms = now_ms;
}

void trouble_init(struct trouble *trouble, struct loop *loop, struct store *store, const char *what,
                  const char *effect)
{
    *trouble = (struct trouble){.loop = loop, .store = store, .what = what, .effect = effect};
}

void trouble_note(struct trouble *trouble, const char *reason)
{
    uint64_t now_ms = loop_now_ms(trouble->loop);
    struct store_health health;

    store_health(trouble->store, &health);
    if (!health.available) {
        return;
    }
    if (!is_known(trouble, now_ms)) {
        trouble->since_ms = now_ms;
    }
    trouble->refused_at_ms = now_ms;
    snprintf(trouble->reason, sizeof(trouble->reason), "%s", reason);
    if (now_ms - trouble->since_ms >= WARN_AFTER_MS &&
        (trouble->warned_at_ms == 0 || now_ms - trouble->warned_at_ms >= WARN_INTERVAL_MS)) {
        warn(trouble, now_ms);
    }
}

void trouble_end(struct trouble *trouble)
{
    char duration[UNITS_TEXT_MAX];

    if (trouble->warned_at_ms != 0) {
        log_info("store: %s: answered again, after %s", trouble->what,
                 format_lasted(trouble, loop_now_ms(trouble->loop), duration));
    }
    trouble->since_ms = 0;
    trouble->warned_at_ms = 0;
}

bool trouble_view(const struct trouble *trouble, struct trouble_view *ret_view)
{
    uint64_t now_ms = loop_now_ms(trouble->loop);

    if (!is_known(trouble, now_ms)) {
        return false;
    }
    *ret_view = (struct trouble_view){now_ms - trouble->since_ms, trouble->reason};
    return true;
}
