/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "base/alloc.h"
#include "config/error_line.h"
#include "config/option.h"
#include "config/site_option.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* a password that is shorter can be guessed within years at the rate that password_guard admits */
#define PASSWORD_BYTES_MIN 12

static void check_length(const char *source, const char *path, const char *password,
                         struct buf *out)
{
    if (password != NULL && password[0] != '\0' && strlen(password) < PASSWORD_BYTES_MIN) {
        error_line(out, "%s: %s: the password is shorter than %d characters, so it may be guessed",
                   source, path, PASSWORD_BYTES_MIN);
    }
}

/* Files that hold secrets */

/* the text of all warnings stays below this size */
#define WARNINGS_BYTES_MAX 65536

/** Returns the file of a source "FILE:LINE"; NULL if it is none. The caller frees it. */
static char *file_of(const char *source)
{
    const char *colon = source != NULL ? strrchr(source, ':') : NULL;

    return colon != NULL && colon[1] != '\0' && colon[1 + strspn(colon + 1, "0123456789")] == '\0'
               ? alloc_text_of(source, (size_t)(colon - source))
               : NULL;
}

/** Appends a warning if every user may read the file, unless there is one of this file already. */
static void check_mode(const char *file, const char *what, struct buf *out)
{
    struct stat status;
    struct buf line = BUF_EMPTY;

    if (file == NULL || stat(file, &status) != 0 || (status.st_mode & S_IROTH) == 0 ||
        out->length > WARNINGS_BYTES_MAX) {
        return;
    }
    buf_printf(&line, "%s: every user of this machine may read it, and it holds ", file);
    if (out->length == 0 || strstr(out->bytes, line.bytes) == NULL) {
        error_line(out, "%s%s; run: chmod o-rwx %s", line.bytes, what, file);
    }
    buf_finish(&line);
}

/** Checks the file that a secret comes from: one of its own, or the config file. */
static void check_secret(const char *secret_file, const char *source, const char *what,
                         struct buf *out)
{
    char *config_file = secret_file == NULL ? file_of(source) : NULL;

    check_mode(secret_file != NULL ? secret_file : config_file, what, out);
    free(config_file);
}

static void check_secrets(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        if ((row->flags & SECRET) != 0 && !option_is_empty(row, option_field_const(row, config))) {
            check_secret(config->secret_files[i], config->sources[i], row->path, out);
        }
    }
    for (size_t i = 0; i < config->sites.count; i++) {
        const struct config_site *site = &config->sites.items[i];

        if (config_site_gives(site, SITE_dashboard_password)) {
            check_secret(site->secret_file, site->place, "the password of a site", out);
        }
    }
}

static void check_database(const struct config *config, struct buf *out)
{
    char *path;

    if (config_store_backend(config) == STORE_BACKEND_SQLITE) {
        path = config_expand(config, config->sqlite_path);
        check_mode(path, "the salt of the day and hashes of visitors", out);
        free(path);
    }
}

void config_list_warnings(const struct config *config, struct buf *out)
{
    check_length(config->sources[CONFIG_dashboard_password],
                 option_rows[CONFIG_dashboard_password].path, config->dashboard_password, out);
    for (size_t i = 0; i < config->sites.count && out->length <= WARNINGS_BYTES_MAX; i++) {
        const struct config_site *site = &config->sites.items[i];
        struct buf path = BUF_EMPTY;

        buf_printf(&path, "%s.%s of %s", option_rows[CONFIG_sites].path,
                   site_option_rows[SITE_dashboard_password].path, site->name);
        check_length(site->place, path.bytes, site->dashboard_password, out);
        buf_finish(&path);
    }
    check_secrets(config, out);
    check_database(config, out);
}
