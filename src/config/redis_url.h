/* SPDX-License-Identifier: MIT */
/**
 * redis_url: splits REDIS_URL into texts of options. Internal to config/.
 */
#ifndef VISITCOUNTD_CONFIG_REDIS_URL_H
#define VISITCOUNTD_CONFIG_REDIS_URL_H

#include "config/config.h"

#define REDIS_URL_FORM \
    "redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], the same with rediss:// for TLS, or unix:///PATH"

/* number of parts: host, port, socket, username, password, database, TLS */
#define REDIS_URL_PARTS 7

struct redis_url {
    struct {
        enum config_option option;
        char *text; /* NULL if the URL does not have the part */
    } parts[REDIS_URL_PARTS];
};

/**
 * Parses "redis://[user[:password]@]host[:port][/db]", rediss:// (TLS), "unix://path" and
 * "redis+unix://path", the last two with an optional "?db=N". User, password and path may be
 * percent-encoded. The default port is 6379. Returns NULL on success, else an error message that
 * quotes no part of the URL. The caller calls redis_url_finish() in both cases.
 */
const char *redis_url_parse(const char *text, struct redis_url *ret_url);

void redis_url_finish(struct redis_url *url);

#endif
