/* SPDX-License-Identifier: MIT */
#include "http/visit/network.h"

#include "base/map.h"

#define V4_BYTES     (12 + 3) /* a mapped address has 12 bytes before the four of IPv4 */
#define NARROW_BYTES 8
#define WIDE_BYTES   6

/* different lengths have different hashes, so a /48 is never taken for a /64 */
static uint64_t hash_prefix(const struct client *client, size_t bytes)
{
    return map_hash_key((const char *)&client->address, bytes);
}

void networks_of(const struct client *client, struct networks *ret_networks)
{
    ret_networks->count = 0;
    if (!networks_are_known(client)) {
        return;
    }
    if (IN6_IS_ADDR_V4MAPPED(&client->address)) {
        ret_networks->hashes[ret_networks->count++] = hash_prefix(client, V4_BYTES);
        return;
    }
    ret_networks->hashes[ret_networks->count++] = hash_prefix(client, NARROW_BYTES);
    ret_networks->hashes[ret_networks->count++] = hash_prefix(client, WIDE_BYTES);
}
