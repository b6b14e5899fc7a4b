/* SPDX-License-Identifier: MIT */
/**
 * scratch: marks a local variable that the build need not set to zero. Use it only for large ones
 * on the path of every visit. No byte of them may be read before it is written.
 */
#ifndef VISITCOUNTD_BASE_SCRATCH_H
#define VISITCOUNTD_BASE_SCRATCH_H

#if __has_attribute(uninitialized)
#define SCRATCH __attribute__((uninitialized))
#else
#define SCRATCH
#endif

#endif
