/* SPDX-License-Identifier: MIT */
/**
 * site_option: the rows of site_options.def, which say what a site's group in the option `sites`
 * takes, and what is to be known of all groups together. Internal to config/.
 *
 * The rows are of the same kind as those of options.def, and option.h's functions work with them; a
 * field is a member of `struct config_site`.
 */
#ifndef VISITCOUNTD_CONFIG_SITE_OPTION_H
#define VISITCOUNTD_CONFIG_SITE_OPTION_H

#include "config/option.h"
#include "base/suggest.h"

extern const struct option_row site_option_rows[SITE_OPTION_COUNT];

/** The row with `name`, or SITE_OPTION_COUNT with the nearest one in `suggestion`. */
enum site_option site_option_find(const char *name, struct suggestion *suggestion);

/** Gives `site` an option that it does not have yet; as option_parse(). */
int site_option_set(struct config_site *site, enum site_option option,
                    const struct option_input *input, struct buf *problem);

/** Frees what `site` holds; it is empty afterwards. */
void site_option_clear(struct config_site *site);

/**
 * A name that two sites have, as theirs or as an alias, or that one has twice; NULL when there is
 * none. `ret_one` and `ret_other` are the names of the sites.
 */
const char *site_option_find_clash(const struct config_sites *sites, const char **ret_one,
                                   const char **ret_other);

#endif
