/* SPDX-License-Identifier: MIT */
/**
 * redis_url: REDIS_URL taken apart into texts of options. Internal to config/.
 */
#ifndef VISITCOUNTD_CONFIG_REDIS_URL_H
#define VISITCOUNTD_CONFIG_REDIS_URL_H

#include "config/config.h"

#define REDIS_URL_FORM \
    "redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], the same with rediss:// for TLS, or unix:///PATH"

/* host, port, socket, username, password, database, TLS */
#define REDIS_URL_PARTS 7

struct redis_url {
    struct {
        enum config_option option;
        char *text; /* NULL: not given */
    } parts[REDIS_URL_PARTS];
};

/**
 * Reads "redis://[user[:password]@]host[:port][/db]", rediss:// (TLS), "unix://path" and
 * "redis+unix://path", both with an optional "?db=N". User, password and path may be
 * percent-encoded. A host without port has 6379. Returns NULL, or what is wrong, without quoting
 * any of it. redis_url_finish() is due in both cases.
 */
const char *redis_url_parse(const char *text, struct redis_url *ret_url);

void redis_url_finish(struct redis_url *url);

#endif
