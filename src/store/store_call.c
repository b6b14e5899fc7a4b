/* SPDX-License-Identifier: MIT */
#include "store/store_call.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

void *store_call_create(size_t size, void *owner)
{
    struct store_call *call = alloc_zero(1, size);

    assert(size >= sizeof(*call) && owner != NULL);
    call->owner = owner;
    return call;
}

void store_call_set_on_free(struct store_call *call, store_call_on_free on_free)
{
    call->on_free = on_free;
}

void store_call_begin(struct store_call *call)
{
    assert(call->owner != NULL || call->open_count != 0);
    call->open_count++;
}

static void free_unless_held(struct store_call *call)
{
    if (call->owner != NULL || call->open_count != 0) {
        return;
    }
    if (call->on_free != NULL) {
        call->on_free(call);
    }
    free(call);
}

void *store_call_end(struct store_call *call)
{
    void *owner = call->owner;

    assert(call->open_count != 0);
    call->open_count--;
    free_unless_held(call);
    return owner;
}

void *store_call_owner(const struct store_call *call)
{
    return call->owner;
}

bool store_call_is_open(const struct store_call *call)
{
    return call->open_count != 0;
}

void store_call_release(struct store_call *call)
{
    if (call != NULL) {
        call->owner = NULL;
        free_unless_held(call);
    }
}
