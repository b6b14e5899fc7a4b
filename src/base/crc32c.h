/* SPDX-License-Identifier: MIT */
/**
 * crc32c: the Castagnoli checksum (RFC 3720, section 12.1; examples in appendix B.4). It detects
 * every burst error of up to 32 bits, and misses one in four thousand million other errors.
 */
#ifndef VISITCOUNTD_BASE_CRC32C_H
#define VISITCOUNTD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** Returns `crc` extended by `length` bytes. `crc` is 0 for the first bytes. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
