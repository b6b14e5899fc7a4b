/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "config/error_line.h"
#include "config/option.h"
#include "config/site_option.h"

#include <string.h>

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

void config_list_warnings(const struct config *config, struct buf *out)
{
    check_length(config->sources[CONFIG_dashboard_password],
                 option_rows[CONFIG_dashboard_password].path, config->dashboard_password, out);
    for (size_t i = 0; i < config->sites.count; i++) {
        const struct config_site *site = &config->sites.items[i];
        struct buf path = BUF_EMPTY;

        buf_printf(&path, "%s.%s of %s", option_rows[CONFIG_sites].path,
                   site_option_rows[SITE_dashboard_password].path, site->name);
        check_length(site->place, path.bytes, site->dashboard_password, out);
        buf_finish(&path);
    }
}
