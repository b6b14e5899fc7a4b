/* SPDX-License-Identifier: MIT */
/**
 * password_guard: slows down clients that guess the passwords of the dashboards.
 *
 * A client network may send PASSWORD_GUARD_PER_MINUTE wrong passwords a minute (see network.h).
 * Clients without a network of their own share one. If a network has sent more, its next attempt
 * waits before its password is looked at, right or wrong. One attempt of a network waits at a time;
 * others are refused. All networks together may send PASSWORD_GUARD_ALL_PER_MINUTE wrong passwords
 * a minute; the answers to further wrong ones are delayed. A right password of a network that has
 * not sent too many wrong ones is answered at once, whatever other networks do.
 *
 * At most PASSWORD_GUARD_WAITING_MAX attempts wait; further ones are refused. Each takes about 200
 * bytes of its request's pool. The counts of networks are in the table of the budgets (budget.h).
 */
#ifndef VISITCOUNTD_HTTP_PASSWORD_GUARD_H
#define VISITCOUNTD_HTTP_PASSWORD_GUARD_H

#include "http/request/request.h"
#include "http/visit/budget.h"
#include "http/visit/rate.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

#define PASSWORD_GUARD_PER_MINUTE     10
#define PASSWORD_GUARD_ALL_PER_MINUTE 100
#define PASSWORD_GUARD_WAITING_MAX    64

/** How long an attempt waits. Shorter than a proxy waits for an answer (nginx: 5 s). */
#define PASSWORD_GUARD_DELAY_MS 4000

/** Counters for metrics and status. */
struct password_guard_stats {
    uint64_t wrong;   /* wrong passwords */
    uint64_t delayed; /* attempts that had to wait */
    uint64_t refused; /* attempts that were refused without looking at the password */
};

struct password_guard;

/** Creates a guard that uses the table `budgets`. Loop and table must outlive it. */
struct password_guard *password_guard_create(struct loop *loop, struct rates *budgets);

/** Frees the guard. All requests must be gone. NULL is allowed. */
void password_guard_destroy(struct password_guard *guard);

/** Returns the counters. They are valid as long as the guard. */
const struct password_guard_stats *password_guard_stats(const struct password_guard *guard);

/**
 * Whether the password of the request may be looked at now. If so, fills `ret_charge`; the caller
 * calls password_guard_accept() or password_guard_reject() in the same turn. If not, the request is
 * taken care of: it was answered with 429, or the handler of its route is called again later.
 */
bool password_guard_admit(struct password_guard *guard, struct request *request,
                          struct budget_charge *ret_charge);

/** Gives back the charge of a right password. */
void password_guard_accept(struct password_guard *guard, struct budget_charge *charge);

/**
 * Counts and logs a wrong password for `site`. Returns whether the caller may answer now. If not,
 * the request is taken care of, as in password_guard_admit(); when its handler is called again,
 * password_guard_was_rejected() is true.
 */
bool password_guard_reject(struct password_guard *guard, struct request *request, const char *site);

/** Whether the password of the request was wrong, and its answer has been delayed. */
static inline bool password_guard_was_rejected(const struct request *request)
{
    return request->password_state == PASSWORD_REJECTED;
}

#endif
