/* SPDX-License-Identifier: MIT */
/**
 * list: an intrusive, circular, doubly linked list.
 *
 * A `struct list` is both the anchor of a list and the link inside a member. Nothing is allocated
 * here and nobody owns anything: a member belongs to whoever embedded the link.
 */
#ifndef VISITCOUNTD_BASE_LIST_H
#define VISITCOUNTD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

/** The structure of `type` whose `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/** Visits each member of `anchor` with the link in `it`; `it` must not be removed meanwhile. */
#define list_for_each(it, anchor) \
    for (struct list *it = (anchor)->next; it != (anchor); it = it->next)

/** Makes `link` an empty list, or a link that is in no list. */
static inline void list_init(struct list *link)
{
    link->prev = link;
    link->next = link;
}

/** Whether an anchor has no members, or a link is in no list. */
static inline bool list_is_empty(const struct list *link)
{
    return link->next == link;
}

/** Puts `link`, which is in no list, before `position`; before the anchor means last. */
static inline void list_insert_before(struct list *position, struct list *link)
{
    link->prev = position->prev;
    link->next = position;
    position->prev->next = link;
    position->prev = link;
}

/** Puts `link`, which is in no list, at the end of the list. */
static inline void list_append(struct list *anchor, struct list *link)
{
    list_insert_before(anchor, link);
}

/** Takes `link` out of its list; harmless when it is in none. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/** Takes the first link out and returns it, or NULL when the list is empty. */
static inline struct list *list_take_first(struct list *anchor)
{
    struct list *first = anchor->next;

    if (first == anchor) {
        return NULL;
    }
    list_remove(first);
    return first;
}

/** Moves all members of `from` to the end of `to`; `from` is empty afterwards. */
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
