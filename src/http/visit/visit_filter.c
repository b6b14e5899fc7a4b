/* SPDX-License-Identifier: MIT */
#include "http/visit/visit_filter.h"

#include "base/clock.h"
#include "config/config.h"
#include "http/visit/sites.h"

#include <string.h>

void visit_filter_init(struct visit_filter *visit_filter)
{
    visit_filter->bots = bots_create(NULL);
    visit_filter->rates = rates_create();
}

void visit_filter_finish(struct visit_filter *visit_filter)
{
    bots_destroy(visit_filter->bots);
    rates_destroy(visit_filter->rates);
}

static bool begins_with(h2o_iovec_t value, const char *word)
{
    size_t length = strlen(word);

    return value.len >= length && strncasecmp(value.base, word, length) == 0;
}

/** Matches "prefetch", "prefetch;prerender", "prerender", and "preview" of older browsers. */
static bool is_prefetch(h2o_iovec_t value)
{
    return begins_with(value, "prefetch") || begins_with(value, "prerender") ||
           begins_with(value, "preview");
}

static bool is_prefetched(const struct request_headers *headers)
{
    return (headers->sec_purpose.len | headers->purpose.len | headers->x_purpose.len |
            headers->moz.len) != 0 &&
           (is_prefetch(headers->sec_purpose) || is_prefetch(headers->purpose) ||
            is_prefetch(headers->x_purpose) || is_prefetch(headers->moz));
}

static bool is_in_ignored_network(const struct config *config, const struct client *client)
{
    return config->ignore_networks.count != 0 && client->source != CLIENT_UNKNOWN &&
           client_is_in(&config->ignore_networks, &client->address);
}

static uint64_t take_from_bucket(struct visit_filter *visit_filter, const struct client *client,
                                 const struct page_ref *page_ref)
{
    const struct site_rules *rules = page_ref->rules;

    if (rules->rate.count == 0 || client->source == CLIENT_UNKNOWN) {
        return 0;
    }
    return rates_acquire(visit_filter->rates, &rules->rate,
                         &(struct rate_key){
                             .address = &client->address,
                             .site = page_ref->site,
                             .page = page_ref->page.bytes,
                             .page_length = page_ref->page.length,
                         },
                         clock_monotonic_ms());
}

static void ignore(struct visit_filter_verdict *verdict, enum visit_outcome outcome)
{
    verdict->result = VISIT_FILTER_IGNORE;
    verdict->outcome = outcome;
}

static void refuse_for(struct visit_filter_verdict *verdict, enum http_error http_error)
{
    verdict->result = VISIT_FILTER_REFUSE;
    verdict->http_error = http_error;
}

void visit_filter_judge(struct visit_filter *visit_filter, const struct config *config,
                        const struct client *client, const struct page_ref *page_ref,
                        struct visit_filter_verdict *ret_verdict)
{
    const struct request_headers *headers = &client->headers;
    const struct site_rules *rules = page_ref->rules;
    uint64_t wait_ms;

    *ret_verdict = (struct visit_filter_verdict){.result = VISIT_FILTER_COUNT};
    if (is_prefetched(headers)) {
        ignore(ret_verdict, OUTCOME_PREFETCH);
    } else if (rules->ignores_bots &&
               bots_match_own(visit_filter->bots, rules->bots_own, headers->user_agent.base,
                              headers->user_agent.len)) {
        ignore(ret_verdict, OUTCOME_BOT);
    } else if (is_in_ignored_network(config, client)) {
        ignore(ret_verdict, OUTCOME_NETWORK);
    } else if (rules->origin_count != 0 &&
               !page_ref_admits(rules, headers->origin, headers->referer)) {
        refuse_for(ret_verdict, HTTP_ERROR_ORIGIN);
    } else if (rules->page_rule_count != 0 &&
               !site_rules_admit_page(rules, page_ref->page.bytes, page_ref->page.length)) {
        refuse_for(ret_verdict, HTTP_ERROR_PAGE);
    } else if ((wait_ms = take_from_bucket(visit_filter, client, page_ref)) != 0) {
        refuse_for(ret_verdict, HTTP_ERROR_RATE);
        ret_verdict->retry_after_s = (wait_ms + 999) / 1000;
    }
}
