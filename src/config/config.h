/* SPDX-License-Identifier: MIT */
/**
 * config: what the operator said, checked. options.def is the table; this module reads, each one
 * stronger than the next:
 *
 *   1. --set path=value; of several, the last one
 *   2. VISITCOUNTD_<PATH>, or VISITCOUNTD_<PATH>_FILE for a secret
 *   3. REDIS_HOST, REDIS_PORT, REDIS_USERNAME, REDIS_PASSWORD, REDIS_PASSWORD_FILE, REDIS_DB,
 *      REDIS_URL
 *   4. the credential (systemd) with the path of a secret as its name
 *   5. the file; "<path>_file" names the file of a secret
 *   6. the port in REDIS_PORT=tcp://HOST:PORT, which Kubernetes writes for a service "redis"
 *   7. the default
 *
 * It refuses everything it does not understand and lists all errors of all of them at once. An
 * empty variable of the environment counts as absent, since container files pass such. What
 * Kubernetes writes for a service whose name begins with "visitcountd" is no error.
 *
 * A `struct config` is immutable once loaded and belongs to the caller of config_load(). Reload
 * makes a second one, compares it with config_check_reload(), and unloads the first.
 */
#ifndef VISITCOUNTD_CONFIG_CONFIG_H
#define VISITCOUNTD_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/log.h"
#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_backend { STORE_BACKEND_AUTO, STORE_BACKEND_REDIS, STORE_BACKEND_SQLITE };
extern const char *const store_backend_names[];

enum count_mode { COUNT_VISITS, COUNT_UNIQUE };
extern const char *const count_mode_names[];

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

/* the field of each TYPE of options.def ("CONFIG_TYPE_" belongs to libconfig) */
#define OPTION_TYPE_STRING    char *
#define OPTION_TYPE_NAME      char *
#define OPTION_TYPE_HOST      char *
#define OPTION_TYPE_PATTERN   char *
#define OPTION_TYPE_BOOL      bool
#define OPTION_TYPE_CHOICE    int
#define OPTION_TYPE_COUNT     uint64_t
#define OPTION_TYPE_DURATION  uint64_t
#define OPTION_TYPE_SIZE      uint64_t
#define OPTION_TYPE_RATE      struct rate
#define OPTION_TYPE_ZONE      char *
#define OPTION_TYPE_SITE      char *
#define OPTION_TYPE_ALIASES   struct config_strings
#define OPTION_TYPE_ORIGINS   struct config_strings
#define OPTION_TYPE_SITES     struct config_sites
#define OPTION_TYPE_ADDRESSES struct config_addresses
#define OPTION_TYPE_NETWORKS  struct config_networks

/** What a site's group may say: SITE_name and so on, in the order of site_options.def. */
enum site_option {
#define OPTION(field, name, type, min, max, text) SITE_##field,
#define CHOICE(field, name, names, text)          SITE_##field,
#include "config/site_options.def"
#undef OPTION
#undef CHOICE
    SITE_OPTION_COUNT
};

/** A site of the option `sites`; one that is just a name has nothing else, and so has "*". */
struct config_site {
#define OPTION(field, name, type, min, max, text) OPTION_TYPE_##type field;
#define CHOICE(field, name, names, text)          int field;
#include "config/site_options.def"
#undef OPTION
#undef CHOICE
    unsigned given; /* which of them: 1 << SITE_timezone and so on */
};

static inline bool config_site_gives(const struct config_site *site, enum site_option option)
{
    return (site->given & 1u << option) != 0;
}

/** Which option a value belongs to: CONFIG_redis_host and so on, in the order of options.def. */
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
     * Where each value comes from: "default", "/etc/visitcountd/visitcountd.conf:12", "REDIS_HOST",
     * "--set", "credential redis.password", "/run/secrets/x (VISITCOUNTD_REDIS_PASSWORD_FILE)".
     */
    char *sources[CONFIG_OPTION_COUNT];
    /** The file that each secret was read from; NULL: none. */
    char *secret_files[CONFIG_OPTION_COUNT];
};

/** What config_load() reads besides the machine's files. */
struct config_request {
    const char *file; /* --config; NULL: CONFIG_DEFAULT_FILE where it exists */
    char **sets;      /* "path=value" of --set, in order; may be NULL when set_count is 0 */
    size_t set_count;
    char **environment; /* NULL-terminated "NAME=value", usually environ */
};

#define CONFIG_DEFAULT_FILE "/etc/visitcountd/visitcountd.conf"

/**
 * Reads and checks everything. Returns a new config, or NULL after appending one line per error to
 * `errors` ("visitcountd.conf:12: redis.prot: unknown option; did you mean redis.port?").
 */
struct config *config_load(const struct config_request *request, struct buf *errors);

/**
 * The same for a running daemon. A secret whose file cannot be read any more, while `previous` has
 * it from that file, keeps its value; a line that says so is appended to `warnings`.
 */
struct config *config_load_again(const struct config_request *request,
                                 const struct config *previous, struct buf *warnings,
                                 struct buf *errors);

/**
 * Reads the file of a secret into `ret_text`, which is empty: without the newline at its end.
 * Returns NULL, or what is wrong with the file. May be called on any thread.
 */
const char *config_read_secret(const char *path, struct buf *ret_text);

/** Frees `config`; NULL is allowed. (config_destroy is a symbol of libconfig's.) */
void config_unload(struct config *config);

/**
 * Whether a running daemon can go from `current` to `next`: true, or false after appending one line
 * to `errors` for each option that differs and needs a restart.
 */
bool config_check_reload(const struct config *current, const struct config *next,
                         struct buf *errors);

/** Appends "path = value   # source" for each option, secrets masked. */
void config_print_text(const struct config *config, struct buf *out);

/** Appends a JSON array of {"path","value","source","default","reload"}, secrets masked. */
void config_print_json(const struct config *config, struct buf *out);

/** Appends the table of options for --help: path, environment name, default, text. */
void config_print_help(struct buf *out);

/** Appends the reference in one of the forms "conf", "markdown", "man". 0, or -EINVAL. */
int config_print_reference(const char *form, struct buf *out);

/**
 * `pattern` with each %i replaced by the instance's name and %% by %, for admin.socket and
 * sqlite.path. The caller frees the result. (In http.listen and metrics.listen that is done.)
 */
char *config_expand(const struct config *config, const char *pattern);

/** The backend that "auto" stands for in this config; never STORE_BACKEND_AUTO. */
enum store_backend config_store_backend(const struct config *config);

/** Where to connect for Redis: the socket, or the host (127.0.0.1 when none is given) and port. */
void config_redis_address(const struct config *config, struct address *ret_address);

/** The version of libconfig. */
const char *config_library_version(void);

#endif
