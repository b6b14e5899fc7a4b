/* SPDX-License-Identifier: MIT */
/**
 * site_option: the options of a site's group in `sites` (site_options.def), and a check across all
 * groups. Internal to config/.
 *
 * The rows have the same struct as those of options.def, so the functions of option.h work with
 * them. A field is a member of `struct config_site`.
 */
#ifndef VISITCOUNTD_CONFIG_SITE_OPTION_H
#define VISITCOUNTD_CONFIG_SITE_OPTION_H

#include "config/option.h"
#include "base/suggest.h"

extern const struct option_row site_option_rows[SITE_OPTION_COUNT];

/**
 * Returns the option `name`, or SITE_OPTION_COUNT with the nearest name in `suggestion`.
 * `*ret_is_file` is true if the name is that of a secret's file ("dashboard_password_file").
 */
enum site_option site_option_find(const char *name, bool *ret_is_file,
                                  struct suggestion *suggestion);

/** Parses `input` into an option that `site` does not have yet. Otherwise like option_parse(). */
int site_option_set(struct config_site *site, enum site_option option,
                    const struct option_input *input, struct buf *problem);

/** Frees the members of `site`. It is then empty. */
void site_option_clear(struct config_site *site);

/**
 * Finds a name or alias that two sites have, or that one site has twice. Returns it and sets
 * `ret_one` and `ret_other` to the names of the sites. Returns NULL if there is none.
 */
const char *site_option_find_clash(const struct config_sites *sites, const char **ret_one,
                                   const char **ret_other);

#endif
