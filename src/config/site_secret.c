/* SPDX-License-Identifier: MIT */
/* site_secret: the part of loader.h that reads the passwords of sites from their files. */
#include "config/loader.h"

#include "config/error_line.h"
#include "config/secret.h"
#include "config/site_option.h"

#include <string.h>

/* the row of the only secret that a site's group has */
static const struct option_row *secret_row(void)
{
    return &site_option_rows[SITE_dashboard_password];
}

/** Returns the site of the running daemon whose password came from the same file, or NULL. */
static const struct config_site *find_previous(const struct loader *loader,
                                               const struct config_site *site)
{
    const struct config_sites *sites = loader->previous != NULL ? &loader->previous->sites : NULL;

    for (size_t i = 0; sites != NULL && i < sites->count; i++) {
        const struct config_site *previous = &sites->items[i];

        if (previous->secret_file != NULL && previous->dashboard_password != NULL &&
            strcmp(previous->name, site->name) == 0 &&
            strcmp(previous->secret_file, site->secret_file) == 0) {
            return previous;
        }
    }
    return NULL;
}

static int set(struct config_site *site, const char *text, struct buf *problem)
{
    const struct option_text item = {text, OPTION_FORM_PLAIN, NULL};
    const struct option_input input = {&item, 1, false, true};

    return site_option_set(site, SITE_dashboard_password, &input, problem);
}

/** Returns NULL on success, else an error message, which may be in `problem`. */
static const char *read_and_set(const struct config_site *previous, struct config_site *site,
                                struct buf *problem)
{
    struct buf secret = BUF_EMPTY;
    const char *wrong = previous != NULL ? secret_read_again(site->secret_file, &secret)
                                         : secret_read(site->secret_file, &secret);

    if (wrong == NULL && set(site, secret.bytes, problem) < 0) {
        wrong = problem->bytes;
    }
    buf_finish(&secret);
    return wrong;
}

void loader_read_site_secret(struct loader *loader, struct config_site *site)
{
    const struct config_site *previous;
    struct buf problem = BUF_EMPTY;
    struct buf path = BUF_EMPTY;
    char name[OPTION_NAME_MAX];
    const char *wrong;

    if (site->secret_file == NULL) {
        return;
    }
    buf_printf(&path, "%s.%s", option_rows[CONFIG_sites].path,
               option_path(secret_row(), true, name));
    if (config_site_gives(site, SITE_dashboard_password)) {
        loader_error(loader, site->place, path.bytes, "%s is given as well; keep one of them",
                     secret_row()->path);
        buf_finish(&path);
        return;
    }
    previous = find_previous(loader, site);
    wrong = read_and_set(previous, site, &problem);
    if (wrong != NULL && previous != NULL) {
        error_line(loader->warnings, "%s: %s: %s: %s; the secret that was read before is kept",
                   site->place, path.bytes, site->secret_file, wrong);
        buf_clear(&problem);
        set(site, previous->dashboard_password, &problem);
    } else if (wrong != NULL) {
        loader_error(loader, site->place, path.bytes, "%s: %s", site->secret_file, wrong);
    }
    buf_finish(&problem);
    buf_finish(&path);
}
