/* SPDX-License-Identifier: MIT */
#include "count/ledger.h"

#include "base/backoff.h"

void ledger_begin(struct ledger *ledger)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bits[STORE_EPOCH_LENGTH / 2];

    random_bytes(bits, sizeof(bits));
    for (size_t i = 0; i < sizeof(bits); i++) {
        ledger->epoch[2 * i] = digits[bits[i] >> 4];
        ledger->epoch[2 * i + 1] = digits[bits[i] & 15];
    }
    ledger->epoch[STORE_EPOCH_LENGTH] = '\0';
    ledger->acknowledged = 0;
}
