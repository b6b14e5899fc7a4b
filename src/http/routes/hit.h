/* SPDX-License-Identifier: MIT */
/**
 * hit: the routes that count a visit and tell its number.
 *
 * Bodies of requests are not looked at. HEAD never counts. All answers say in Visitcount-Status
 * what became of the visit: counted, duplicate, journaled, ignored, refused or unknown.
 */
#ifndef VISITCOUNTD_HTTP_HIT_H
#define VISITCOUNTD_HTTP_HIT_H

#include "http/request/request.h"

/** The default site's page "/", in the form that Accept asks for. */
void hit_handle_count(struct request *request);

/** The same in the route's format. */
void hit_handle_count_as(struct request *request);

/**
 * The page that the path names, in the route's format, whose suffix the path may have. With
 * readonly=1 the number is read and nothing is counted.
 */
void hit_handle(struct request *request);

#endif
