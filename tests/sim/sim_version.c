/* SPDX-License-Identifier: MIT */
#include "sim_version.h"

#include "base/backoff.h"
#include "base/random.h"
#include "count/ledger.h"

#include <string.h>

void __real_ledger_init(struct ledger *ledger);
void __real_ledger_renew(struct ledger *ledger);
void __wrap_ledger_init(struct ledger *ledger);
void __wrap_ledger_renew(struct ledger *ledger);

static enum sim_version version = SIM_NEW;

void sim_version_use(enum sim_version new_version)
{
    version = new_version;
}

/* makes the digits of the generation random too */
static void make_old(struct ledger *ledger)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bits[STORE_EPOCH_LENGTH / 2];

    if (version != SIM_OLD) {
        return;
    }
    random_bytes(bits, sizeof(bits));
    for (size_t i = 0; i < STORE_EPOCH_LENGTH; i++) {
        ledger->epoch[i] = digits[i % 2 == 0 ? bits[i / 2] >> 4 : bits[i / 2] & 15];
    }
}

void __wrap_ledger_init(struct ledger *ledger)
{
    __real_ledger_init(ledger);
    make_old(ledger);
}

void __wrap_ledger_renew(struct ledger *ledger)
{
    __real_ledger_renew(ledger);
    make_old(ledger);
}
