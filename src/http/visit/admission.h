/* SPDX-License-Identifier: MIT */
/**
 * admission: whether a request to a counting route counts, and if not, why: what no visitor looks
 * at, what the operator does not want to count, and what a site does not allow.
 */
#ifndef VISITCOUNTD_HTTP_ADMISSION_H
#define VISITCOUNTD_HTTP_ADMISSION_H

#include "http/visit/bots.h"
#include "http/request/client.h"
#include "http/visit/rate.h"
#include "http/request/refusal.h"
#include "http/visit/target.h"

enum admission_result {
    ADMISSION_COUNT,
    ADMISSION_IGNORE, /* answered with the present number */
    ADMISSION_REFUSE  /* answered with an error */
};

/** What is remembered of earlier requests; no address and no user agent is. */
struct admission {
    struct bots *bots;
    struct rates *rates;
};

struct admission_verdict {
    enum admission_result result;
    h2o_iovec_t status;     /* ADMISSION_IGNORE: the value of Visitcount-Status; static */
    enum refusal refusal;   /* ADMISSION_REFUSE */
    uint64_t retry_after_s; /* of REFUSAL_RATE */
};

void admission_init(struct admission *admission);
void admission_finish(struct admission *admission);

/**
 * Judges a request that is no HEAD: prefetches, bots, the networks of `config`, the origins of the
 * site, and, taking a visit out of its bucket, the rate of the client on the page. The first that
 * holds decides.
 */
void admission_judge(struct admission *admission, const struct config *config,
                     const struct client *client, const struct target *target,
                     struct admission_verdict *ret_verdict);

/** The origin in a URL such as Referer has it: "https://a.example" of "https://a.example/b". */
h2o_iovec_t admission_origin_of(h2o_iovec_t url);

#endif
