/* SPDX-License-Identifier: MIT */
#include "sim_heed.h"

#include "base/clock.h"

void sim_heed_begin(struct sim_heed *heed, unsigned sites, bool is_linked)
{
    for (size_t i = 0; i < SIM_SITES_MAX; i++) {
        if ((sites & 1U << i) != 0) {
            heed->is_refused[i] = true;
            heed->is_missed[i] = false;
            heed->unknown_since_ms[i] = is_linked ? clock_monotonic_ms() : 0;
        }
    }
}

void sim_heed_hear(struct sim_heed *heed, unsigned sites, uint64_t within_ms)
{
    for (size_t i = 0; i < SIM_SITES_MAX; i++) {
        if ((sites & 1U << i) != 0 && heed->unknown_since_ms[i] != 0) {
            heed->is_missed[i] |= clock_monotonic_ms() - heed->unknown_since_ms[i] > within_ms;
            heed->unknown_since_ms[i] = 0;
        }
    }
}

void sim_heed_forget(struct sim_heed *heed, unsigned sites)
{
    for (size_t i = 0; i < SIM_SITES_MAX; i++) {
        if ((sites & 1U << i) != 0 && heed->is_refused[i] && heed->unknown_since_ms[i] == 0) {
            heed->unknown_since_ms[i] = clock_monotonic_ms();
        }
    }
}

void sim_heed_end(struct sim_heed *heed, uint64_t within_ms)
{
    sim_heed_hear(heed, SIM_ALL_SITES, within_ms);
    for (size_t i = 0; i < SIM_SITES_MAX; i++) {
        heed->is_refused[i] = false;
    }
}
