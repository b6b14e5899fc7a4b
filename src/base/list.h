/* SPDX-License-Identifier: MIT */
/**
 * list: an intrusive, circular, doubly linked list.
 *
 * A `struct list` is both the anchor of a list and the link inside a member. The list allocates
 * and owns nothing. A member belongs to the object that embeds the link.
 */
#ifndef VISITCOUNTD_BASE_LIST_H
#define VISITCOUNTD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

/** Returns the structure of `type` that has its `member` at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/** Visits each member of `anchor`; `it` is its link. The body must not remove `it`. */
#define list_for_each(it, anchor) \
    for (struct list *it = (anchor)->next; it != (anchor); it = it->next)

/** Makes `link` an empty list, which is also a link in no list. */
static inline void list_init(struct list *link)
{
    link->prev = link;
    link->next = link;
}

/** Whether an anchor has no members, or whether a link is in no list. */
static inline bool list_is_empty(const struct list *link)
{
    return link->next == link;
}

/** Inserts `link`, which is in no list, before `position`. Before the anchor means last. */
static inline void list_insert_before(struct list *position, struct list *link)
{
    link->prev = position->prev;
    link->next = position;
    position->prev->next = link;
    position->prev = link;
}

/** Appends `link`, which is in no list. */
static inline void list_append(struct list *anchor, struct list *link)
{
    list_insert_before(anchor, link);
}

/** Removes `link` from its list. Does nothing if it is in none. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/** Removes the first link and returns it. Returns NULL if the list is empty. */
static inline struct list *list_pop_first(struct list *anchor)
{
    struct list *first = anchor->next;

    if (first == anchor) {
        return NULL;
    }
    list_remove(first);
    return first;
}

/** Moves all members of `from` to the end of `to`. `from` is then empty. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
