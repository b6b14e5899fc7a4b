/* SPDX-License-Identifier: MIT */
/**
 * visit: the routes of visitors.
 *
 *   GET        /                          welcome page with the number of the default site's page
 *                                         "/", which it does not count
 *   GET, POST  /count, /count.json        counts a visit of the default site's page "/"
 *   GET, POST  /v1/hit/{site}/{page…}     counts a visit
 *   GET        /v1/get/{site}/{page…}     tells a number, never counts
 *   GET        /livez, /readyz            whether the process lives; whether it can count now
 *
 * The default site is the first one of `sites`. Bodies of requests are not looked at. HEAD never
 * counts. Answers of counting routes say in Visitcount-Status what became of the visit: counted,
 * ignored, refused or unknown.
 */
#ifndef VISITCOUNTD_HTTP_VISIT_H
#define VISITCOUNTD_HTTP_VISIT_H

#include "http/route.h"

extern const struct route_table visitor_routes;

#endif
