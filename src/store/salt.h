/* SPDX-License-Identifier: MIT */
/**
 * salt: what both stores have in common about the salts by which visitors are told apart.
 */
#ifndef VISITCOUNTD_STORE_SALT_H
#define VISITCOUNTD_STORE_SALT_H

#include "store/store.h"

#include <stdint.h>

/** A new salt from the kernel's generator, in hexadecimal. */
void salt_draw(char ret_salt[STORE_SALT_LENGTH + 1]);

/**
 * How long the salt of a local day is kept from now on, in seconds: two days after the day's end,
 * wherever that is, so that visits from the journal are still told apart; an hour to six days.
 */
uint64_t salt_ttl_s(uint64_t day);

#endif
