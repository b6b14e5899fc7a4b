/* SPDX-License-Identifier: MIT */
/**
 * sim_traffic: the visitors and the proxy. Requests of pages arrive at instances, alone and in
 * crowds. The proxy gives some of them a token. It repeats these at another instance if the first
 * one fails or its answer is lost.
 */
#ifndef VISITCOUNTD_TESTS_SIM_TRAFFIC_H
#define VISITCOUNTD_TESTS_SIM_TRAFFIC_H

#include "sim_instance.h"

struct sim_traffic;

struct sim_traffic_options {
    struct sim_instance *instances;
    size_t instance_count;
    size_t sites;
    size_t shared_pages;    /* of all sites; 0: each request is of a page of its own */
    uint64_t pause_ms;      /* between arrivals, at most */
    uint64_t crowd_max;     /* requests at once */
    unsigned with_token;    /* per mille */
    unsigned shares_tokens; /* per mille of these: the token of a request of another page */
    bool only_stamps;       /* if clocks jump, other windows mean nothing */
    bool is_steady;         /* the store never goes back in time */
    bool is_calm;           /* visits of all sites but site 0 have to be counted */
    uint64_t patience_ms;
    uint64_t pages_max; /* pages that a site may have; 0: no limit */
};

/** The options are copied. */
struct sim_traffic *sim_traffic_create(const struct sim_traffic_options *options);

/** Records a violation for each attempt without an answer. NULL is allowed. */
void sim_traffic_destroy(struct sim_traffic *traffic);

/** When the next request is due. */
uint64_t sim_traffic_next_ms(const struct sim_traffic *traffic);

/** Sends the requests that are due. After sim_traffic_end() these are only repetitions. */
void sim_traffic_run_due(struct sim_traffic *traffic);
void sim_traffic_end(struct sim_traffic *traffic);

/** The number of requests, and of attempts. */
size_t sim_traffic_requests(const struct sim_traffic *traffic);
size_t sim_traffic_attempts(const struct sim_traffic *traffic);

/**
 * sim_traffic_ask_of_client() creates a request of a client with a token. sim_traffic_repeat()
 * sends it. sim_traffic_renew() creates a new one with the token of `request`, much later. Both
 * return SIM_NO_REQUEST if there are too many.
 */
#define SIM_NO_REQUEST SIZE_MAX
size_t sim_traffic_ask_of_client(struct sim_traffic *traffic);
size_t sim_traffic_renew(struct sim_traffic *traffic, size_t request);

/** Sends another attempt of a request to an instance. */
void sim_traffic_repeat(struct sim_traffic *traffic, size_t request, struct sim_instance *instance);

/** The latest answer to an attempt of the request. */
enum visit_status sim_traffic_status(const struct sim_traffic *traffic, size_t request);

/** The number of requests that had the token of another one. */
size_t sim_traffic_shared_tokens(const struct sim_traffic *traffic);

#endif
