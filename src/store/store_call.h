/* SPDX-License-Identifier: MIT */
/**
 * store_call: the memory of calls to the store that may outlive their caller.
 *
 * A store reads the arguments of a call until it answers, and it answers each call once. The caller
 * may be gone by then. So arguments and results live in a structure of their own, whose first
 * member is a `struct store_call`. Two sides hold it: the owner, and the store while a call is
 * open. The side that lets go last frees it.
 *
 * The owner creates the structure, and says before each call that it begins. The callback says that
 * the call has ended, and learns whether the owner still waits. The owner lets go when it has its
 * answer, when it ends itself, or when it is tired of waiting: this cancels open calls.
 */
#ifndef VISITCOUNTD_STORE_CALL_H
#define VISITCOUNTD_STORE_CALL_H

#include "base/require.h"
#include "base/alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

struct store_call;

/** Frees what the structure refers to; the structure itself is freed afterwards. */
typedef void (*store_call_on_free)(struct store_call *call);

struct store_call {
    /* private to store_call.h */
    void *owner;       /* NULL if it has let go */
    size_t open_count; /* calls that the store has not answered yet */
    store_call_on_free on_free;
};

/**
 * Creates a structure of `size` bytes, held by `owner`, which is not NULL. Zeros follow its first
 * member. It never returns NULL.
 */
static inline void *store_call_create(size_t size, void *owner)
{
    struct store_call *call = alloc_zero(1, size);

    require(size >= sizeof(*call) && owner != NULL);
    call->owner = owner;
    return call;
}

/** Sets the function that frees the structure's own memory. NULL: none. */
static inline void store_call_set_on_free(struct store_call *call, store_call_on_free on_free)
{
    call->on_free = on_free;
}

/** Begins a call: the store holds the structure too. Several calls may be open at once. */
static inline void store_call_begin(struct store_call *call)
{
    require(call->owner != NULL || call->open_count != 0);
    call->open_count++;
}

/* private: frees the structure unless a side still holds it */
static inline void store_call_free_unless_held(struct store_call *call)
{
    if (call->owner != NULL || call->open_count != 0) {
        return;
    }
    if (call->on_free != NULL) {
        call->on_free(call);
    }
    free(call);
}

/**
 * Ends a call, in its callback. Returns the owner. Returns NULL if the owner has let go; then the
 * structure may have been freed.
 */
static inline void *store_call_end(struct store_call *call)
{
    void *owner = call->owner;

    require(call->open_count != 0);
    call->open_count--;
    store_call_free_unless_held(call);
    return owner;
}

/** Returns the owner, or NULL if it has let go. */
static inline void *store_call_owner(const struct store_call *call)
{
    return call->owner;
}

/** Whether the store still has to answer a call. */
static inline bool store_call_is_open(const struct store_call *call)
{
    return call->open_count != 0;
}

/**
 * The owner lets go: open calls are cancelled, so that it does not hear of them. Frees the
 * structure if no call is open. NULL is allowed.
 */
static inline void store_call_release(struct store_call *call)
{
    if (call != NULL) {
        call->owner = NULL;
        store_call_free_unless_held(call);
    }
}

#endif
