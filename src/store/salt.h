/* SPDX-License-Identifier: MIT */
/** salt: creates the daily salts of visitor hashes, for both stores. */
#ifndef VISITCOUNTD_STORE_SALT_H
#define VISITCOUNTD_STORE_SALT_H

#include "store/store.h"

#include <stdint.h>

/** Writes a new salt from the kernel's random generator, in hexadecimal. */
void salt_draw(char ret_salt[STORE_SALT_LENGTH + 1]);

/**
 * Returns how many seconds from now the salt of a local day is kept: until two days after the day
 * has ended in every time zone, so that visits from a journal still get their visitor. The result
 * is between an hour and six days.
 */
uint64_t salt_ttl_s(uint64_t day);

#endif
