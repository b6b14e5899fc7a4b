/* SPDX-License-Identifier: MIT */
/*
 * Any bytes from clients to the real server, with steps of its store and clock in between. A line
 * that begins with "@" is a step. All other lines are bytes that the current client sends:
 *
 *   @v @a           a visitor, or a user of the admin socket, connects
 *   @0 … @3         chooses a client
 *   @h @x           the client closes its sending side, or all of the connection
 *   @k @r @u @l     from now on the store takes calls, refuses them, loses replies, loses requests
 *   @g @b           the store goes away, comes back
 *   @t MS           time passes
 *
 * Each answer is HTTP, and JSON if its type says so. Only visits that arrived count. The store has
 * each visit that was answered as counted. All of it runs twice, in memory with different content,
 * and the answers have to be the same. No descriptor stays open.
 */
#include "answers.h"
#include "base/buf.h"
#include "fill.h"
#include "fuzz.h"
#include "served.h"

#include <string.h>

/* three hours: the windows of tokens and rates, and an hour of the statistics, pass by */
#define WAIT_MAX_MS (3 * 3600000)

/* of half a second: longer than the longest wait of a batch that is sent again */
#define SETTLE_STEPS 40

const char *__lsan_default_suppressions(void);

/* libh2o 2.2.5 never frees the queue of a context */
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_multithread_create_queue";
}

static void set_store(struct served *served, char step)
{
    static const enum fake_fate fates[] = {['k'] = FAKE_DONE,
                                           ['r'] = FAKE_REFUSED,
                                           ['u'] = FAKE_REPLY_LOST,
                                           ['l'] = FAKE_REQUEST_LOST};

    served_set_fate(served, fates[(unsigned char)step]);
}

static void run_step(struct served *served, const char *step)
{
    switch (*step) {
    case 'v':
    case 'a':
        served_connect(served, *step == 'a');
        break;
    case 'h':
    case 'x':
        served_close(served, *step == 'h');
        break;
    case 'k':
    case 'r':
    case 'u':
    case 'l':
        set_store(served, *step);
        break;
    case 'g':
    case 'b':
        served_set_available(served, *step == 'b');
        break;
    case 't':
        served_wait(served, strtoull(step + 1, NULL, 10) % WAIT_MAX_MS);
        break;
    default:
        if (*step >= '0' && *step < '0' + SERVED_CLIENTS_MAX) {
            served_choose(served, (size_t)(*step - '0'));
        }
    }
}

/* up to the next line that is a step */
static size_t find_step(const char *text, size_t length)
{
    const char *found = length != 0 ? memmem(text, length, "\n@", 2) : NULL;

    return found != NULL ? (size_t)(found - text) + 1 : length;
}

static void run_script(struct served *served, const char *text, size_t length)
{
    while (length != 0) {
        char step[32] = "";
        size_t taken;

        if (*text == '@') {
            const char *end = memchr(text, '\n', length);

            taken = end != NULL ? (size_t)(end - text) + 1 : length;
            memcpy(step, text + 1, taken - 1 < sizeof(step) - 1 ? taken - 1 : sizeof(step) - 1);
            run_step(served, step);
        } else {
            taken = find_step(text, length);
            if (served_client_count(served) == 0) {
                served_connect(served, false);
            }
            served_send(served, (const uint8_t *)text, taken);
        }
        text += taken;
        length -= taken;
    }
}

/* the store takes everything again, and what waited for it is answered */
static void settle(struct served *served)
{
    served_set_fate(served, FAKE_DONE);
    served_set_available(served, true);
    for (int i = 0; i < SETTLE_STEPS && served_stats(served)->waiting != 0; i++) {
        served_wait(served, 500);
    }
}

static void check_visits(struct served *served, size_t counted)
{
    const struct stats *stats = served_stats(served);

    check_that(stats->waiting == 0);
    check_that(counted <= served_visits(served));
    check_that(served_visits(served) <= stats->applied + stats->unknown);
}

static void run(const char *text, size_t length, uint8_t filling, struct buf *ret_received)
{
    struct served *served;
    size_t counted = 0;

    fill_with(filling);
    served = served_create();
    run_script(served, text, length);
    settle(served);
    for (size_t i = 0; i < served_client_count(served); i++) {
        const struct buf *received = served_received(served, i);
        struct answers answers = answers_read(received);

        check_that(answers.failed == 0);
        counted += answers.counted;
        buf_append(ret_received, received->bytes, received->length);
        buf_putc(ret_received, '\n');
    }
    check_visits(served, counted);
    served_destroy(served);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    answers_run_twice(run, bytes, length);
    return 0;
}
