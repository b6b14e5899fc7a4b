/* SPDX-License-Identifier: MIT */
/**
 * crc32c: the Castagnoli checksum (RFC 3720, section 12.1; examples in appendix B.4): finds every
 * damage of up to 32 bits in a row, and all but one in four thousand million others.
 */
#ifndef VISITCOUNTD_BASE_CRC32C_H
#define VISITCOUNTD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** The checksum of what `crc` is the checksum of, followed by `bytes`. `crc` is 0 at the start. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
