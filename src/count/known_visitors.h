/* SPDX-License-Identifier: MIT */
/**
 * known_visitors: which visitors of which pages the store knows already from this process: whoever
 * comes back the same day need not be told again.
 *
 * A table of fixed size that forgets at random: what is not found is told once more, which changes
 * nothing. Visitors are told apart by hashes under the day's salt, so days and sites need no room
 * here; pages by the hashes of maps. Nobody knows either, so nobody can make them collide.
 */
#ifndef VISITCOUNTD_COUNT_KNOWN_VISITORS_H
#define VISITCOUNTD_COUNT_KNOWN_VISITORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Embedded; zero at first. */
struct known_visitors {
    uint64_t *marks; /* NULL until the first visitor */
};

/**
 * Frees the memory; everybody is forgotten. Also for when the store went back in time, or a page
 * was deleted from it.
 */
void known_visitors_forget(struct known_visitors *visitors);

/** Notes that the store knows `visitor`, which is not 0, of the page whose name has this hash. */
void known_visitors_note(struct known_visitors *visitors, uint64_t visitor, uint64_t page_hash);

/** Whether that was noted, and is not forgotten. */
bool known_visitors_have(const struct known_visitors *visitors, uint64_t visitor,
                         uint64_t page_hash);

#endif
