/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_reads.h"

#include "base/require.h"
#include "store/redis/redis_link.h"

void redis_reads_init(struct redis_reads *reads)
{
    list_init(&reads->of_operators);
    list_init(&reads->of_visitors);
}

/* Without a connection nothing is under way: each part is refused at the end of the turn. */
static bool may_send(const struct redis_reads *reads)
{
    return reads->under_way < REDIS_READS_MAX || reads->link == NULL ||
           !redis_link_is_ready(reads->link);
}

static void send_waiting(struct redis_reads *reads)
{
    while (may_send(reads)) {
        struct list *queue =
            list_is_empty(&reads->of_operators) ? &reads->of_visitors : &reads->of_operators;
        struct list *link = list_pop_first(queue);
        struct redis_read_turn *turn;

        if (link == NULL) {
            return;
        }
        turn = container_of(link, struct redis_read_turn, link);
        reads->under_way++;
        if (turn->send_next(turn)) {
            list_append(queue, link);
        }
    }
}

void redis_reads_add(struct redis_reads *reads, struct redis_read_turn *turn, bool for_operator)
{
    require(turn->send_next != NULL);
    list_init(&turn->link);
    list_append(for_operator ? &reads->of_operators : &reads->of_visitors, &turn->link);
    send_waiting(reads);
}

void redis_reads_remove(struct redis_read_turn *turn)
{
    list_remove(&turn->link);
}

void redis_reads_end_part(struct redis_reads *reads)
{
    require(reads->under_way != 0);
    reads->under_way--;
    send_waiting(reads);
}
