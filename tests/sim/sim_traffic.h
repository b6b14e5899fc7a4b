/* SPDX-License-Identifier: MIT */
/**
 * sim_traffic: who visits: requests of pages at instances, alone and in crowds; and the proxy,
 * which gives some of them a token and passes these on to another instance when the first one
 * fails, or its answer gets lost.
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
    unsigned shares_tokens; /* per mille of these: with a request of another page */
    bool only_stamps;       /* the windows of other tokens mean nothing where clocks jump */
    bool is_steady;         /* the store never goes back in time */
    bool is_calm;           /* what is not of site 0 has to be counted */
    uint64_t patience_ms;
    uint64_t pages_max; /* that a site may have; 0: no limit */
};

/** The options are copied. */
struct sim_traffic *sim_traffic_create(const struct sim_traffic_options *options);

/** Whoever was not answered is an accusation. NULL is allowed. */
void sim_traffic_destroy(struct sim_traffic *traffic);

/** When somebody comes next. */
uint64_t sim_traffic_next_ms(const struct sim_traffic *traffic);

/** Lets those come who are due; after sim_traffic_end() only repetitions do. */
void sim_traffic_run_due(struct sim_traffic *traffic);
void sim_traffic_end(struct sim_traffic *traffic);

/** How many requests there were, and attempts. */
size_t sim_traffic_requests(const struct sim_traffic *traffic);
size_t sim_traffic_attempts(const struct sim_traffic *traffic);

/**
 * A new request of a client with a token, which comes with sim_traffic_repeat(). And a new one with
 * the token of `request`, much later. SIM_NO_REQUEST: there have been too many.
 */
#define SIM_NO_REQUEST SIZE_MAX
size_t sim_traffic_ask_of_client(struct sim_traffic *traffic);
size_t sim_traffic_renew(struct sim_traffic *traffic, size_t request);

/** Another attempt of a request comes to an instance. */
void sim_traffic_repeat(struct sim_traffic *traffic, size_t request, struct sim_instance *instance);

/** The latest answer to an attempt of the request. */
enum visit_status sim_traffic_status(const struct sim_traffic *traffic, size_t request);

/** How many requests had the token of another one. */
size_t sim_traffic_shared_tokens(const struct sim_traffic *traffic);

#endif
