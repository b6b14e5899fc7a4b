/* SPDX-License-Identifier: MIT */
#include "count/journal_takeover.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/require.h"
#include "journal/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* how often journals that were taken over are checked for being empty */
#define LOOK_INTERVAL_MS 50

/* finished takeovers that are still shown */
#define DONE_MAX 8

struct journal_takeover {
    struct list link;
    struct journal *journal; /* NULL when finished */
    uint64_t visits;
    uint64_t aside;
    char directory[];
};

struct journal_takeovers {
    struct loop *loop;
    struct engine *engine;
    struct list all;
    struct loop_timer look;
};

static struct journal_takeover *takeover_of(struct list *link)
{
    return container_of(link, struct journal_takeover, link);
}

static void forget(struct journal_takeover *takeover)
{
    list_remove(&takeover->link);
    journal_close(takeover->journal);
    free(takeover);
}

static void finish(struct journal_takeover *takeover)
{
    require(takeover->journal != NULL);
    require(journal_is_empty(takeover->journal));
    takeover->aside = journal_status(takeover->journal)->aside_visits;
    if (takeover->aside != 0) {
        log_warning("journal %s: replayed; %llu visits in it are set aside, since their site was "
                    "repaired: visitcountctl journal aside %s",
                    takeover->directory, (unsigned long long)takeover->aside, takeover->directory);
    } else {
        log_info("journal %s: replayed: all %llu visits in it are in the store",
                 takeover->directory, (unsigned long long)takeover->visits);
    }
    journal_close(takeover->journal);
    takeover->journal = NULL;
}

/* drops the oldest finished takeovers */
static void forget_done(struct journal_takeovers *takeovers)
{
    struct list *link = takeovers->all.prev;
    size_t done = 0;

    while (link != &takeovers->all) {
        struct journal_takeover *takeover = takeover_of(link);

        link = link->prev;
        if (takeover->journal == NULL && ++done > DONE_MAX) {
            forget(takeover);
        }
    }
}

static void on_look(struct loop_timer *timer)
{
    struct journal_takeovers *takeovers = container_of(timer, struct journal_takeovers, look);
    bool is_any_open = false;

    list_for_each(link, &takeovers->all) {
        struct journal_takeover *takeover = takeover_of(link);

        if (takeover->journal != NULL && journal_is_empty(takeover->journal)) {
            finish(takeover);
        }
        is_any_open = is_any_open || takeover->journal != NULL;
    }
    forget_done(takeovers);
    if (is_any_open) {
        loop_timer_start(takeovers->loop, timer, LOOK_INTERVAL_MS);
    }
}

struct journal_takeovers *journal_takeovers_create(struct loop *loop, struct engine *engine)
{
    struct journal_takeovers *takeovers = alloc_zero(1, sizeof(*takeovers));

    takeovers->loop = loop;
    takeovers->engine = engine;
    list_init(&takeovers->all);
    loop_timer_init(&takeovers->look, on_look);
    return takeovers;
}

void journal_takeovers_destroy(struct journal_takeovers *takeovers)
{
    if (takeovers == NULL) {
        return;
    }
    loop_timer_stop(&takeovers->look);
    while (!list_is_empty(&takeovers->all)) {
        forget(takeover_of(takeovers->all.next));
    }
    free(takeovers);
}

static struct journal_takeover_view view_of(const struct journal_takeover *takeover)
{
    const struct journal *journal = takeover->journal;

    return (struct journal_takeover_view){
        .directory = takeover->directory,
        .visits = takeover->visits,
        .aside = journal != NULL ? journal_status(journal)->aside_visits : takeover->aside,
        .left = journal != NULL ? journal_status(journal)->visits : 0,
        .is_done = journal == NULL,
    };
}

bool journal_takeovers_find(const struct journal_takeovers *takeovers, const char *directory,
                            struct journal_takeover_view *ret_view)
{
    for (struct list *link = takeovers->all.prev; link != &takeovers->all; link = link->prev) {
        if (strcmp(takeover_of(link)->directory, directory) == 0) {
            *ret_view = view_of(takeover_of(link));
            return true;
        }
    }
    return false;
}

/* checks that the directory exists, because journal_open() would create it */
static bool is_directory(const char *directory, struct buf *message)
{
    struct stat status;

    if (stat(directory, &status) != 0) {
        buf_printf(message, "journal %s: %s\n", directory, strerror(errno));
        return false;
    }
    if (!S_ISDIR(status.st_mode)) {
        buf_printf(message, "journal %s: this is no directory\n", directory);
        return false;
    }
    return true;
}

bool journal_takeovers_begin(struct journal_takeovers *takeovers, struct disk *disk,
                             const char *directory, struct buf *message)
{
    /* the journal is not written to, so its limit does not matter */
    struct journal_options options = {.directory = directory};
    struct journal_takeover *takeover;
    struct journal_takeover_view view;
    struct journal *journal;

    if (journal_takeovers_find(takeovers, directory, &view) && !view.is_done) {
        return true; /* it is being replayed */
    }
    if (!is_directory(directory, message)) {
        return false;
    }
    journal =
        journal_open(takeovers->loop, disk, &options, engine_restore, takeovers->engine, message);
    if (journal == NULL) {
        return false;
    }
    takeover = alloc_zero(1, sizeof(*takeover) + strlen(directory) + 1);
    strcpy(takeover->directory, directory);
    takeover->journal = journal;
    takeover->visits = journal_status(journal)->visits;
    list_append(&takeovers->all, &takeover->link);
    log_info("journal %s: taken over, with %llu visits for the store", directory,
             (unsigned long long)takeover->visits);
    loop_timer_start(takeovers->loop, &takeovers->look, LOOK_INTERVAL_MS);
    return true;
}

size_t journal_takeovers_count(const struct journal_takeovers *takeovers)
{
    size_t count = 0;

    list_for_each(link, &takeovers->all) {
        count++;
    }
    return count;
}

struct journal_takeover_view journal_takeovers_at(const struct journal_takeovers *takeovers,
                                                  size_t index)
{
    struct list *link = takeovers->all.next;

    while (index-- > 0 && link != &takeovers->all) {
        link = link->next;
    }
    require(link != &takeovers->all);
    return view_of(takeover_of(link));
}
