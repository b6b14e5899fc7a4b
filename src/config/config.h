/* SPDX-License-Identifier: MIT */
/**
 * config: loads, checks and prints the configuration. options.def is the table of options. Values
 * come from these layers; a layer in front overrides those after it:
 *
 *   1. --set path=value; the last one if there are several
 *   2. VISITCOUNTD_<PATH>, or VISITCOUNTD_<PATH>_FILE for a secret
 *   3. REDIS_HOST, REDIS_PORT, REDIS_USERNAME, REDIS_PASSWORD, REDIS_PASSWORD_FILE, REDIS_DB,
 *      REDIS_URL
 *   4. the systemd credential whose name is the path of a secret
 *   5. the config file; "<path>_file" names the file of a secret
 *   6. the port in REDIS_PORT=tcp://HOST:PORT, which Kubernetes writes for a service "redis"
 *   7. the default
 *
 * Unknown options and bad values are errors. All errors of all layers are reported at once. An
 * empty environment variable counts as absent, because container files often pass empty ones.
 * Variables that Kubernetes sets for a service whose name begins with "visitcountd" are ignored.
 *
 * A `struct config` is immutable once loaded, except for config_renew_secret(). The caller of
 * config_load() owns it. A reload loads a second one, compares both with config_check_reload(), and
 * unloads the first.
 */
#ifndef VISITCOUNTD_CONFIG_CONFIG_H
#define VISITCOUNTD_CONFIG_CONFIG_H

#include "base/buf.h"
#include "config/config_fields.h"

#include <stdbool.h>

#define CONFIG_DEFAULT_FILE "/etc/visitcountd/visitcountd.conf"

/**
 * Loads and checks the configuration. Returns a new config. On errors returns NULL and appends one
 * line per error to `errors` ("visitcountd.conf:12: redis.prot: unknown option; did you mean
 * redis.port?").
 */
struct config *config_load(const struct config_request *request, struct buf *errors);

/**
 * Loads and checks the configuration for a reload. If the file of a secret can no longer be read,
 * and `previous` has the secret from that file, keeps its value and appends a line to `warnings`.
 * Otherwise like config_load().
 */
struct config *config_load_again(const struct config_request *request,
                                 const struct config *previous, struct buf *warnings,
                                 struct buf *errors);

/**
 * Replaces the value of a secret by `text`, which was read from its file again. A reload that
 * cannot read the file then keeps this value. Returns false if the option does not accept the text,
 * and appends the reason to `problem`.
 */
bool config_renew_secret(struct config *config, enum config_option option, const char *text,
                         struct buf *problem);

/** Frees `config`. NULL is allowed. (libconfig already has a config_destroy.) */
void config_unload(struct config *config);

/** Whether several sites are listed, or "*" admits any site. */
bool config_has_many_sites(const struct config *config);

/**
 * Whether a running daemon can change from `current` to `next`. If not, appends one line to
 * `errors` for each changed option that needs a restart.
 */
bool config_check_reload(const struct config *current, const struct config *next,
                         struct buf *errors);

/**
 * Appends one line to `out` for each setting that is valid but dangerous: a short
 * password, or a secret in a file that every user may read. May look at files.
 * Lines begin with the source of the setting and its path. No line quotes a secret.
 */
void config_list_warnings(const struct config *config, struct buf *out);

/** Appends "path = value   # source" for each option. Masks secrets. */
void config_print_text(const struct config *config, struct buf *out);

/** Appends a JSON array of {"path","value","source","default","reload"}. Masks secrets. */
void config_print_json(const struct config *config, struct buf *out);

/** Appends the table of options for --help: path, environment name, default, text. */
void config_print_help(struct buf *out);

/** Appends the reference. `form` is "conf", "markdown" or "man". Returns 0, or -EINVAL. */
int config_print_reference(const char *form, struct buf *out);

/**
 * Returns `pattern` with each %i replaced by the instance's name and each %% by %. The caller frees
 * it. For admin.socket and sqlite.path; http.listen and metrics.listen are expanded already.
 */
char *config_expand(const struct config *config, const char *pattern);

/** Returns the store backend, with "auto" resolved; never STORE_BACKEND_AUTO. */
enum store_backend config_store_backend(const struct config *config);

/** Gets the address of Redis: the socket, or the port and host (default 127.0.0.1). */
void config_redis_address(const struct config *config, struct address *ret_address);

/** Returns the version of libconfig. */
const char *config_library_version(void);

#endif
