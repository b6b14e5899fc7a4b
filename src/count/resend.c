/* SPDX-License-Identifier: MIT */
#include "count/resend.h"

#include "base/log.h"

void resend_require_check(struct site_table *table)
{
    map_for_each(node, &table->map) {
        list_for_each(link, &site_of(node)->lanes) {
            session_require_check(&lane_in_site(link)->session);
        }
    }
}

void resend_require_check_elsewhere(const struct lane *lane)
{
    map_for_each(node, &lane->site->table->map) {
        list_for_each(link, &site_of(node)->lanes) {
            if (lane_in_site(link) != lane) {
                session_require_check(&lane_in_site(link)->session);
                dispatcher_wake(&lane_in_site(link)->dispatch);
            }
        }
    }
}

void resend_note_gap(struct lane *lane, const struct ledger_gap *gap)
{
    const struct site_parts *parts = &lane->site->table->parts;

    known_visitors_forget(parts->known);
    parts->stats->gaps++;
    parts->stats->lost += gap->lost_visits;
    if (gap->resend_batches != 0) {
        log_warning("store: site %s went back in time; sending %llu visits in %llu batches again",
                    lane->session.site, (unsigned long long)gap->resend_visits,
                    (unsigned long long)gap->resend_batches);
    }
    if (gap->lost_batches != 0) {
        log_error("store: site %s went back in time by more than is kept here to send again; %llu "
                  "visits in %llu batches are lost",
                  lane->session.site, (unsigned long long)gap->lost_visits,
                  (unsigned long long)gap->lost_batches);
    }
}
