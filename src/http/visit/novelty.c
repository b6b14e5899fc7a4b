/* SPDX-License-Identifier: MIT */
#include "http/visit/novelty.h"

#include "base/clock.h"
#include "base/map.h"

#include <string.h>

void novelty_init(struct novelty *novelty)
{
    memset(novelty, 0, sizeof(*novelty));
    novelty->budgets = rates_create();
}

void novelty_finish(struct novelty *novelty)
{
    rates_destroy(novelty->budgets);
    seen_finish(&novelty->pages);
    seen_finish(&novelty->visitors);
}

static uint64_t hash_page(struct novelty *novelty, const struct novelty_visit *given)
{
    if (given->names_length != novelty->latest_length ||
        memcmp(given->names, novelty->latest, given->names_length) != 0) {
        memcpy(novelty->latest, given->names, given->names_length);
        novelty->latest_length = given->names_length;
        novelty->latest_hash = map_hash_key(given->names, given->names_length);
    }
    return novelty->latest_hash;
}

static uint64_t spend_page(struct novelty *novelty, const struct config *config,
                           const struct novelty_visit *given, struct novelty_charge *charge)
{
    charge->page = (struct budget_charge){
        .kind = BUDGET_PAGES,
        .limits = {config->limits_new_pages, config->limits_new_pages_daily},
    };
    networks_of(given->client, &charge->page.networks);
    return budget_take(novelty->budgets, &charge->page, clock_monotonic_ms());
}

static uint64_t spend_token(struct novelty *novelty, const struct config *config,
                            const struct novelty_visit *given, struct novelty_charge *charge)
{
    charge->token = (struct budget_charge){
        .kind = BUDGET_TOKENS,
        .limits = {.burst = config->limits_idempotency_keys},
    };
    networks_of(given->client, &charge->token.networks);
    return budget_take(novelty->budgets, &charge->token, clock_monotonic_ms());
}

/* The rate of tokens that one site may send: half of all, if several sites are served. */
static struct rate rate_of_site(const struct config *config)
{
    struct rate rate = config->limits_idempotency_keys_total;

    if (config_has_many_sites(config) && rate.count > 1) {
        rate.count /= 2;
    }
    return rate;
}

/* charges a token of a client to its site and to all sites; each is bounded without networks too */
static enum novelty_verdict spend_share(struct novelty *novelty, const struct config *config,
                                        const struct novelty_visit *given,
                                        struct novelty_charge *charge, uint64_t *ret_wait_ms)
{
    const struct rate *all = &config->limits_idempotency_keys_total;

    if (all->count == 0) {
        return NOVELTY_OK;
    }
    charge->site_token = (struct budget_charge){
        .kind = BUDGET_TOKENS_OF_SITE,
        .limits = {.burst = rate_of_site(config)},
        .networks = {1, {map_hash_key(given->names, strlen(given->names))}},
    };
    *ret_wait_ms = budget_take(novelty->budgets, &charge->site_token, clock_monotonic_ms());
    if (*ret_wait_ms != 0) {
        return NOVELTY_SITE_TOKEN;
    }
    *ret_wait_ms = rate_bucket_take(&novelty->tokens, all, clock_monotonic_ms());
    if (*ret_wait_ms != 0) {
        return NOVELTY_ALL_TOKENS;
    }
    charge->all_tokens = *all;
    return NOVELTY_OK;
}

/* charges a token of a client: first to its network, then to its site */
static enum novelty_verdict charge_token(struct novelty *novelty, const struct config *config,
                                         const struct novelty_visit *given,
                                         struct novelty_charge *charge, uint64_t *ret_wait_ms)
{
    enum novelty_verdict verdict;

    if (networks_are_known(given->client) &&
        (*ret_wait_ms = spend_token(novelty, config, given, charge)) != 0) {
        novelty->stats.refused_tokens++;
        return NOVELTY_TOKEN;
    }
    verdict = spend_share(novelty, config, given, charge, ret_wait_ms);
    if (verdict != NOVELTY_OK) {
        novelty->stats.refused_shares++;
    }
    return verdict;
}

/* charges the page if this process does not know it */
static uint64_t charge_page(struct novelty *novelty, const struct config *config,
                            const struct novelty_visit *given, struct novelty_charge *charge)
{
    uint64_t wait_ms;

    charge->page_hash = hash_page(novelty, given);
    charge->is_page_new = !seen_has(&novelty->pages, charge->page_hash);
    if (!charge->is_page_new) {
        return 0;
    }
    wait_ms = spend_page(novelty, config, given, charge);
    if (wait_ms == 0) {
        seen_add(&novelty->pages, charge->page_hash);
    } else {
        charge->is_page_new = false;
        novelty->stats.refused_pages++;
    }
    return wait_ms;
}

/* identifies a visitor of a page; 0: the visit has no visitor */
static uint64_t hash_visitor(const struct visit *visit, uint64_t page_hash)
{
    if (visit->visitor != 0) {
        return visit->visitor ^ page_hash;
    }
    return visit->token != NULL && visit->token_window == STORE_WINDOW_DAY
               ? map_hash_key(visit->token, visit->token_length)
               : 0;
}

static uint64_t spend_visitor(struct novelty *novelty, const struct config *config,
                              const struct novelty_visit *given, const struct visit *visit,
                              uint64_t page_hash)
{
    uint64_t hash = hash_visitor(visit, page_hash);
    uint64_t wait_ms;
    struct budget_charge charge;

    if (hash == 0 || seen_has(&novelty->visitors, hash)) {
        return 0;
    }
    charge = (struct budget_charge){
        .kind = BUDGET_VISITORS,
        .limits = {.daily_max = config->visitors_new_daily},
        .part = page_hash,
    };
    networks_of(given->client, &charge.networks);
    wait_ms = budget_take(novelty->budgets, &charge, clock_monotonic_ms());
    if (wait_ms == 0) {
        seen_add(&novelty->visitors, hash);
    } else {
        novelty->stats.ignored_visitors++;
    }
    return wait_ms;
}

enum novelty_verdict novelty_take(struct novelty *novelty, const struct config *config,
                                  const struct novelty_visit *given, struct visit *visit,
                                  struct novelty_charge *ret_charge, uint64_t *ret_wait_ms)
{
    bool is_known = networks_are_known(given->client);
    enum novelty_verdict verdict = NOVELTY_OK;

    ret_charge->is_page_new = false;
    ret_charge->page.networks.count = 0;
    ret_charge->token.networks.count = 0;
    ret_charge->site_token.networks.count = 0;
    ret_charge->all_tokens.count = 0;
    *ret_wait_ms = 0;
    if (is_known && (*ret_wait_ms = charge_page(novelty, config, given, ret_charge)) != 0) {
        return NOVELTY_PAGE;
    }
    if (visit->token != NULL && visit->token_window == STORE_WINDOW_CLIENT) {
        verdict = charge_token(novelty, config, given, ret_charge, ret_wait_ms);
    }
    if (verdict != NOVELTY_OK) {
        novelty_give_back(novelty, ret_charge);
    }
    if (verdict != NOVELTY_OK || !is_known) {
        return verdict;
    }
    *ret_wait_ms = spend_visitor(novelty, config, given, visit, ret_charge->page_hash);
    if (*ret_wait_ms != 0) {
        visit->visitor = 0;
        if (given->counts_unique) {
            novelty_give_back(novelty, ret_charge);
            return NOVELTY_VISITOR;
        }
    }
    return NOVELTY_OK;
}

static void give_back_token(struct novelty *novelty, struct novelty_charge *charge)
{
    budget_give_back(novelty->budgets, &charge->token);
    budget_give_back(novelty->budgets, &charge->site_token);
    if (charge->all_tokens.count != 0) {
        rate_bucket_give_back(&novelty->tokens, &charge->all_tokens);
        charge->all_tokens.count = 0;
    }
}

void novelty_settle(struct novelty *novelty, struct novelty_charge *charge,
                    const struct visit_answer *answer)
{
    switch (answer->status) {
    case VISIT_COUNTED:
    case VISIT_JOURNALED:
        if (charge->is_page_new && answer->count > 1) {
            budget_give_back(novelty->budgets, &charge->page);
        }
        break;
    case VISIT_DUPLICATE: /* the store has the page, and the token if that repeats */
        budget_give_back(novelty->budgets, &charge->page);
        give_back_token(novelty, charge);
        break;
    case VISIT_REFUSED:
    case VISIT_TOO_MANY_PAGES:
        novelty_give_back(novelty, charge);
        break;
    case VISIT_UNKNOWN:
        if (charge->is_page_new) {
            seen_remove(&novelty->pages, charge->page_hash);
        }
        break;
    }
}

void novelty_give_back(struct novelty *novelty, struct novelty_charge *charge)
{
    if (charge->is_page_new) {
        seen_remove(&novelty->pages, charge->page_hash);
    }
    budget_give_back(novelty->budgets, &charge->page);
    give_back_token(novelty, charge);
}

uint64_t novelty_charge_site(struct novelty *novelty, const struct config *config, const char *site,
                             const struct client *client, struct novelty_site_charge *ret_charge)
{
    uint64_t wait_ms;

    /* no name of a page: it has no NUL */
    *ret_charge = (struct novelty_site_charge){.hash = map_hash_key(site, strlen(site))};
    ret_charge->is_first = !seen_has(&novelty->pages, ret_charge->hash);
    if (!ret_charge->is_first) {
        return 0;
    }
    ret_charge->budget = (struct budget_charge){
        .kind = BUDGET_SITES,
        .limits = {config->limits_new_sites, config->limits_new_sites_daily},
    };
    networks_of(client, &ret_charge->budget.networks);
    wait_ms = budget_take(novelty->budgets, &ret_charge->budget, clock_monotonic_ms());
    if (wait_ms == 0) {
        seen_add(&novelty->pages, ret_charge->hash);
    } else {
        novelty->stats.refused_sites++;
    }
    return wait_ms;
}

void novelty_settle_site(struct novelty *novelty, struct novelty_site_charge *charge,
                         bool is_admitted, bool is_new)
{
    if (!charge->is_first) {
        return;
    }
    if (!is_admitted) {
        seen_remove(&novelty->pages, charge->hash);
    }
    if (!is_new) {
        budget_give_back(novelty->budgets, &charge->budget);
    }
    charge->is_first = false;
}
