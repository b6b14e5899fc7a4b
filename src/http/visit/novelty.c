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

static uint64_t take_page(struct novelty *novelty, const struct config *config,
                          const struct novelty_visit *given, struct novelty_charge *charge)
{
    charge->page = (struct budget_charge){
        .kind = BUDGET_PAGES,
        .limits = {config->limits_new_pages, config->limits_new_pages_daily},
    };
    networks_of(given->client, &charge->page.networks);
    return budget_take(novelty->budgets, &charge->page, clock_monotonic_ms());
}

static uint64_t take_token(struct novelty *novelty, const struct config *config,
                           const struct novelty_visit *given, struct novelty_charge *charge)
{
    charge->token = (struct budget_charge){
        .kind = BUDGET_TOKENS,
        .limits = {.burst = config->limits_idempotency_keys},
    };
    networks_of(given->client, &charge->token.networks);
    return budget_take(novelty->budgets, &charge->token, clock_monotonic_ms());
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

static uint64_t take_visitor(struct novelty *novelty, const struct config *config,
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
    ret_charge->is_page_new = false;
    ret_charge->page.networks.count = 0;
    ret_charge->token.networks.count = 0;
    *ret_wait_ms = 0;
    if (!networks_are_known(given->client)) {
        return NOVELTY_OK;
    }
    ret_charge->page_hash = hash_page(novelty, given);
    ret_charge->is_page_new = !seen_has(&novelty->pages, ret_charge->page_hash);
    if (ret_charge->is_page_new &&
        (*ret_wait_ms = take_page(novelty, config, given, ret_charge)) != 0) {
        ret_charge->is_page_new = false;
        novelty->stats.refused_pages++;
        return NOVELTY_PAGE;
    }
    if (ret_charge->is_page_new) {
        seen_add(&novelty->pages, ret_charge->page_hash);
    }
    if (visit->token != NULL && visit->token_window == STORE_WINDOW_CLIENT &&
        (*ret_wait_ms = take_token(novelty, config, given, ret_charge)) != 0) {
        novelty->stats.refused_tokens++;
        novelty_give_back(novelty, ret_charge);
        return NOVELTY_TOKEN;
    }
    *ret_wait_ms = take_visitor(novelty, config, given, visit, ret_charge->page_hash);
    if (*ret_wait_ms != 0) {
        visit->visitor = 0;
        if (given->counts_unique) {
            novelty_give_back(novelty, ret_charge);
            return NOVELTY_VISITOR;
        }
    }
    return NOVELTY_OK;
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
        budget_give_back(novelty->budgets, &charge->token);
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
    budget_give_back(novelty->budgets, &charge->token);
}

uint64_t novelty_take_site(struct novelty *novelty, const struct config *config, const char *site,
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
