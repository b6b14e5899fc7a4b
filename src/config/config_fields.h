/* SPDX-License-Identifier: MIT */
/**
 * config_fields: `struct config` with a field for each row of options.def and site_options.def.
 */
#ifndef VISITCOUNTD_CONFIG_CONFIG_FIELDS_H
#define VISITCOUNTD_CONFIG_CONFIG_FIELDS_H

#include "base/log.h"
#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_backend {
    STORE_BACKEND_AUTO,
#define STORE_BACKEND(id, name) STORE_BACKEND_##id,
#include "config/store_backends.def"
#undef STORE_BACKEND
    STORE_BACKENDS
};
extern const char *const store_backend_names[];

enum count_mode { COUNT_VISITS, COUNT_UNIQUE };
extern const char *const count_mode_names[];

enum redis_rewrite_mode { REDIS_REWRITE_AUTO, REDIS_REWRITE_OFF };
extern const char *const redis_rewrite_names[];

enum bots_mode { BOTS_IGNORE, BOTS_COUNT };
extern const char *const bots_mode_names[];

enum dashboard_mode { DASHBOARD_PRIVATE, DASHBOARD_PUBLIC };
extern const char *const dashboard_mode_names[];

struct config_strings {
    char **items;
    size_t count;
};
struct config_addresses {
    struct address *items;
    size_t count;
};
struct config_networks {
    struct network *items;
    size_t count;
};

struct config_sites {
    struct config_site *items;
    size_t count;
};

/* the C type of each TYPE of options.def (libconfig uses the prefix "CONFIG_TYPE_") */
#define OPTION_TYPE_STRING     char *
#define OPTION_TYPE_NAME       char *
#define OPTION_TYPE_HOST       char *
#define OPTION_TYPE_PATTERN    char *
#define OPTION_TYPE_BOOL       bool
#define OPTION_TYPE_CHOICE     int
#define OPTION_TYPE_COUNT      uint64_t
#define OPTION_TYPE_DURATION   uint64_t
#define OPTION_TYPE_SIZE       uint64_t
#define OPTION_TYPE_RATE       struct rate
#define OPTION_TYPE_ZONE       char *
#define OPTION_TYPE_SITE       char *
#define OPTION_TYPE_ALIASES    struct config_strings
#define OPTION_TYPE_ORIGINS    struct config_strings
#define OPTION_TYPE_PAGE_RULES struct config_strings
#define OPTION_TYPE_WORDS      struct config_strings
#define OPTION_TYPE_SITES      struct config_sites
#define OPTION_TYPE_ADDRESSES  struct config_addresses
#define OPTION_TYPE_NETWORKS   struct config_networks

/** The options of a site's group: SITE_name and so on, in the order of site_options.def. */
enum site_option {
#define OPTION(field, name, type, min, max, text) SITE_##field,
#define CHOICE(field, name, names, text)          SITE_##field,
#define SECRET_OPTION                             OPTION
#include "config/site_options.def"
#undef OPTION
#undef CHOICE
#undef SECRET_OPTION
    SITE_OPTION_COUNT
};

/** A site of the option `sites`. Sites without a group have only a name. */
struct config_site {
#define OPTION(field, name, type, min, max, text) OPTION_TYPE_##type field;
#define CHOICE(field, name, names, text)          int field;
#define SECRET_OPTION                             OPTION
#include "config/site_options.def"
#undef OPTION
#undef CHOICE
#undef SECRET_OPTION
    unsigned given;    /* bits of the options that the group has: 1 << SITE_timezone and so on */
    char *secret_file; /* from which dashboard_password was read, or NULL */
    char *place;       /* "FILE:LINE" of the group; NULL without a group */
};

static inline bool config_site_gives(const struct config_site *site, enum site_option option)
{
    return (site->given & 1u << option) != 0;
}

/** The options: CONFIG_redis_host and so on, in the order of options.def. */
enum config_option {
#define OPTION(field, path, type, fallback, min, max, flags, text) CONFIG_##field,
#define CHOICE(field, path, names, fallback, flags, text)          CONFIG_##field,
#include "config/options.def"
#undef OPTION
#undef CHOICE
    CONFIG_OPTION_COUNT
};

struct config {
#define OPTION(field, path, type, fallback, min, max, flags, text) OPTION_TYPE_##type field;
#define CHOICE(field, path, names, fallback, flags, text)          int field;
#include "config/options.def"
#undef OPTION
#undef CHOICE
    /**
     * The source of each value: "default", "/etc/visitcountd/visitcountd.conf:12", "REDIS_HOST",
     * "--set", "credential redis.password", "/run/secrets/x (VISITCOUNTD_REDIS_PASSWORD_FILE)".
     */
    char *sources[CONFIG_OPTION_COUNT];
    /** The file from which each secret was read, or NULL. */
    char *secret_files[CONFIG_OPTION_COUNT];
};

/** The command line and environment for config_load(). */
struct config_request {
    const char *file; /* --config; NULL: CONFIG_DEFAULT_FILE where it exists */
    char **sets;      /* "path=value" of --set, in order; may be NULL when set_count is 0 */
    size_t set_count;
    char **environment; /* NULL-terminated "NAME=value", usually environ */
};

#endif
