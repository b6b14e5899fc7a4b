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
 * A `struct config` is immutable once loaded, but for config_renew_secret(), and belongs to the
 * caller of config_load(). Reload makes a second one, compares it with config_check_reload(), and
 * unloads the first.
 */
#ifndef VISITCOUNTD_CONFIG_CONFIG_H
#define VISITCOUNTD_CONFIG_CONFIG_H

#include "base/buf.h"
#include "config/config_fields.h"

#include <stdbool.h>

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
 * Puts another text of a secret in place, which was read from its file anew: a reload that cannot
 * read the file keeps this one. Returns false, with `problem` saying why, when the option does not
 * take it.
 */
bool config_renew_secret(struct config *config, enum config_option option, const char *text,
                         struct buf *problem);

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
