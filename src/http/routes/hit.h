/* SPDX-License-Identifier: MIT */
/**
 * hit: the routes that count a visit and return the new number.
 *
 * They ignore request bodies. HEAD never counts. Every answer has the result of the visit in
 * Visitcount-Status: counted, duplicate, journaled, ignored, refused or unknown.
 */
#ifndef VISITCOUNTD_HTTP_HIT_H
#define VISITCOUNTD_HTTP_HIT_H

#include "http/request/request.h"

/** Counts the page "/" of the default site. The Accept header chooses the format. */
void hit_handle_count(struct request *request);

/** Like hit_handle_count(), in the route's format. */
void hit_handle_count_as(struct request *request);

/**
 * Counts the page that the path names, in the route's format. The path may end in the format's
 * suffix. With readonly=1 it reads the number and counts nothing.
 */
void hit_handle(struct request *request);

#endif
