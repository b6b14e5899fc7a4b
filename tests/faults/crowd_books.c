/* SPDX-License-Identifier: MIT */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a page of all connections, whose numbers must be different */
struct shared {
    const char *site; /* NULL: not in use */
    uint64_t counted;
    uint64_t doubtful;
    unsigned char *given; /* by number */
    size_t capacity;
};

static struct shared shared_pages[SHARED_MAX + 1];

/* --- pages --- */

unsigned book_side(const struct visitor *visitor)
{
    return visitor->group->is_twin ? visitor->visit % SIDES_MAX : 0;
}

static void format_side(const struct visitor *visitor, unsigned side, char *page, size_t size)
{
    const struct group *group = visitor->group;

    if (group->shared != 0) {
        snprintf(page, size, "/shared/%d", group->shared);
    } else {
        snprintf(page, size, "/own/%s/%d/%u%s", group->name, visitor->number, visitor->generation,
                 side == 0 ? "" : "/twin");
    }
}

void book_format_page(const struct visitor *visitor, char *ret_page, size_t size)
{
    format_side(visitor, book_side(visitor), ret_page, size);
}

void book_use_shared(const struct group *group)
{
    if (group->shared != 0) {
        shared_pages[group->shared].site = group->site;
    }
}

static void finish_side(const struct visitor *visitor, unsigned side, uint64_t doubtful)
{
    const struct side *own = &visitor->sides[side];
    char page[128];

    if (visitor->group->shared == 0 && (own->counted != 0 || doubtful != 0)) {
        format_side(visitor, side, page, sizeof(page));
        printf("page %s %s %s %llu %llu\n", visitor->group->name, visitor->group->site, page,
               (unsigned long long)own->counted, (unsigned long long)doubtful);
    }
}

void book_finish_page(struct visitor *visitor, int doubtful)
{
    unsigned now = book_side(visitor);

    for (unsigned side = 0; side < SIDES_MAX; side++) {
        uint64_t extra = side == now ? (uint64_t)doubtful : 0;

        finish_side(visitor, side, visitor->sides[side].forgotten + extra);
    }
    memset(visitor->sides, 0, sizeof(visitor->sides));
    visitor->generation++;
    visitor->is_unordered = false;
}

static void note_shared_number(struct shared *page, uint64_t number)
{
    if (number >= page->capacity) {
        size_t capacity = number * 2 + 1024;

        page->given = realloc(page->given, capacity);
        if (page->given == NULL) {
            crowd_fail("realloc");
        }
        memset(page->given + page->capacity, 0, capacity - page->capacity);
        page->capacity = capacity;
    }
    if (page->given[number]++ == 1) {
        sums.twice++;
    }
}

/* --- outcomes of a visit --- */

static void end_visit(struct visitor *visitor)
{
    visitor->is_open = false;
    visitor->is_forgotten = false;
    visitor->visit++;
}

/* the store may have one more visit of the page than was answered */
static void end_doubtful(struct visitor *visitor)
{
    if (visitor->group->shared != 0) {
        shared_pages[visitor->group->shared].doubtful++;
    }
    book_finish_page(visitor, 1);
    end_visit(visitor);
}

/* each attempt without an answer until now may have counted, and its repetition as well */
static void forget_side(const struct visitor *visitor, struct side *side)
{
    if (visitor->group->shared != 0) {
        shared_pages[visitor->group->shared].doubtful += side->unsettled - side->forgotten;
    }
    side->forgotten = side->unsettled;
}

void book_doubtful(struct visitor *visitor)
{
    visitor->group->doubtful++;
    if (!visitor->group->has_key) {
        end_doubtful(visitor);
    } else { /* the visit is repeated under the same key */
        struct side *side = &visitor->sides[book_side(visitor)];

        side->unsettled++;
        if (visitor->is_forgotten) {
            forget_side(visitor, side);
        }
    }
}

void book_refused(struct visitor *visitor, const char *code)
{
    visitor->group->refused++;
    visitor->group->key_refusals += strcmp(code, "too_many_idempotency_keys") == 0;
    visitor->refused_with = code;
    if (visitor->refused_since_ms == 0) {
        visitor->refused_since_ms = visitor->sent_at_ms;
    }
    if (visitor->group->has_key) {
        return; /* an earlier attempt may have been counted, so it is repeated */
    }
    end_visit(visitor);
}

static void note_end_of_refusal(const struct visitor *visitor, uint64_t lasted_ms)
{
    if (lasted_ms > sums.longest_refusal_ms) {
        sums.longest_refusal_ms = lasted_ms;
        printf("refusal %s connection %d of %s was refused for %llu ms until now\n",
               visitor->refused_with, visitor->number, visitor->group->name,
               (unsigned long long)lasted_ms);
    }
}

static void note_number(struct visitor *visitor, uint64_t number, bool is_repeated,
                        bool is_estimate)
{
    struct group *group = visitor->group;
    uint64_t expected = visitor->sides[book_side(visitor)].counted;

    if (group->shared != 0) {
        shared_pages[group->shared].counted++;
        if (!is_repeated && !is_estimate) {
            note_shared_number(&shared_pages[group->shared], number);
        }
    } else if (!visitor->is_unordered && number != expected) {
        if (group->disordered++ == 0) {
            printf("disordered %s connection %d of %s got %llu as visit %llu of its page\n",
                   group->name, visitor->number, group->name, (unsigned long long)number,
                   (unsigned long long)expected);
        }
    }
}

void book_counted(struct visitor *visitor, uint64_t number, bool is_repeated, bool is_estimate)
{
    struct group *group = visitor->group;

    sums.counted++;
    group->counted++;
    group->repeated += is_repeated;
    group->journaled += is_estimate;
    if (visitor->refused_since_ms != 0) {
        note_end_of_refusal(visitor, crowd_now_ms() - visitor->refused_since_ms);
    }
    visitor->refused_since_ms = 0;
    visitor->sides[book_side(visitor)].counted++;
    visitor->is_unordered |= is_estimate;
    note_number(visitor, number, is_repeated, is_estimate);
    end_visit(visitor);
}

void book_wait(const struct visitor *visitor, const char *answer)
{
    uint64_t waited = crowd_now_ms() - visitor->sent_at_ms;

    if (waited > sums.longest_wait_ms) {
        sums.longest_wait_ms = waited;
        printf("wait connection %d of %s waited %llu ms for %.12s\n", visitor->number,
               visitor->group->name, (unsigned long long)waited, answer);
    }
}

void book_forget_keys(struct visitor *visitor)
{
    for (unsigned side = 0; side < SIDES_MAX; side++) {
        forget_side(visitor, &visitor->sides[side]);
    }
    visitor->is_forgotten = visitor->is_open;
    visitor->is_unordered |=
        visitor->group->has_key; /* after a visit that counted twice the numbers are one too high */
}

/* --- results --- */

void book_print_groups(void)
{
    for (int i = 0; i < group_count; i++) {
        const struct group *group = &groups[i];

        printf("group %s %llu %llu %llu %llu %llu %llu %llu\n", group->name,
               (unsigned long long)group->counted, (unsigned long long)group->refused,
               (unsigned long long)group->doubtful, (unsigned long long)group->journaled,
               (unsigned long long)group->repeated, (unsigned long long)group->disordered,
               (unsigned long long)group->key_refusals);
    }
}

void book_print_rest(void)
{
    for (int i = 1; i <= SHARED_MAX; i++) {
        const struct shared *page = &shared_pages[i];

        if (page->site != NULL) {
            printf("page shared %s /shared/%d %llu %llu\n", page->site, i,
                   (unsigned long long)page->counted, (unsigned long long)page->doubtful);
        }
    }
    printf("all %llu %llu %llu %llu %llu\n", (unsigned long long)sums.sent,
           (unsigned long long)sums.twice, (unsigned long long)sums.hung,
           (unsigned long long)sums.longest_refusal_ms, (unsigned long long)sums.longest_wait_ms);
}
