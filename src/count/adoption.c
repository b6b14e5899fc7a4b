/* SPDX-License-Identifier: MIT */
#include "count/adoption.h"

#include "base/alloc.h"
#include "base/log.h"
#include "journal/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* how often it is looked whether a journal is empty */
#define LOOK_INTERVAL_MS 50

/* adoptions that are done and still shown */
#define DONE_MAX 8

struct adoption {
    struct list link;
    struct journal *journal; /* NULL when done */
    uint64_t visits;
    uint64_t aside;
    char directory[];
};

struct adoptions {
    struct loop *loop;
    struct engine *engine;
    struct list all;
    struct loop_timer look;
};

static struct adoption *adoption_of(struct list *link)
{
    return container_of(link, struct adoption, link);
}

static void forget(struct adoption *adoption)
{
    list_remove(&adoption->link);
    journal_close(adoption->journal);
    free(adoption);
}

static void finish(struct adoption *adoption)
{
    adoption->aside = journal_status(adoption->journal)->aside_visits;
    if (adoption->aside != 0) {
        log_warning("journal %s: replayed; %llu visits in it are set aside, since their site was "
                    "repaired: visitcountctl journal aside %s",
                    adoption->directory, (unsigned long long)adoption->aside, adoption->directory);
    } else {
        log_info("journal %s: replayed: all %llu visits in it are in the store",
                 adoption->directory, (unsigned long long)adoption->visits);
    }
    journal_close(adoption->journal);
    adoption->journal = NULL;
}

/* the oldest ones go */
static void forget_done(struct adoptions *adoptions)
{
    struct list *link = adoptions->all.prev;
    size_t done = 0;

    while (link != &adoptions->all) {
        struct adoption *adoption = adoption_of(link);

        link = link->prev;
        if (adoption->journal == NULL && ++done > DONE_MAX) {
            forget(adoption);
        }
    }
}

static void on_look(struct loop_timer *timer)
{
    struct adoptions *adoptions = container_of(timer, struct adoptions, look);
    bool is_any_open = false;

    list_for_each(link, &adoptions->all) {
        struct adoption *adoption = adoption_of(link);

        if (adoption->journal != NULL && journal_is_empty(adoption->journal)) {
            finish(adoption);
        }
        is_any_open = is_any_open || adoption->journal != NULL;
    }
    forget_done(adoptions);
    if (is_any_open) {
        loop_timer_start(adoptions->loop, timer, LOOK_INTERVAL_MS);
    }
}

struct adoptions *adoptions_create(struct loop *loop, struct engine *engine)
{
    struct adoptions *adoptions = alloc_zero(1, sizeof(*adoptions));

    adoptions->loop = loop;
    adoptions->engine = engine;
    list_init(&adoptions->all);
    loop_timer_init(&adoptions->look, on_look);
    return adoptions;
}

void adoptions_destroy(struct adoptions *adoptions)
{
    if (adoptions == NULL) {
        return;
    }
    loop_timer_stop(&adoptions->look);
    while (!list_is_empty(&adoptions->all)) {
        forget(adoption_of(adoptions->all.next));
    }
    free(adoptions);
}

static struct adoption_view view_of(const struct adoption *adoption)
{
    const struct journal *journal = adoption->journal;

    return (struct adoption_view){
        .directory = adoption->directory,
        .visits = adoption->visits,
        .aside = journal != NULL ? journal_status(journal)->aside_visits : adoption->aside,
        .left = journal != NULL ? journal_status(journal)->visits : 0,
        .is_done = journal == NULL,
    };
}

bool adoptions_find(const struct adoptions *adoptions, const char *directory,
                    struct adoption_view *ret_view)
{
    for (struct list *link = adoptions->all.prev; link != &adoptions->all; link = link->prev) {
        if (strcmp(adoption_of(link)->directory, directory) == 0) {
            *ret_view = view_of(adoption_of(link));
            return true;
        }
    }
    return false;
}

/* journal_open() would make it */
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

bool adoptions_begin(struct adoptions *adoptions, struct disk *disk, const char *directory,
                     struct buf *message)
{
    /* nothing is written to it, so its limit does not matter */
    struct journal_options options = {.directory = directory};
    struct adoption *adoption;
    struct adoption_view view;
    struct journal *journal;

    if (adoptions_find(adoptions, directory, &view) && !view.is_done) {
        return true; /* it is on its way */
    }
    if (!is_directory(directory, message)) {
        return false;
    }
    journal =
        journal_open(adoptions->loop, disk, &options, engine_restore, adoptions->engine, message);
    if (journal == NULL) {
        return false;
    }
    adoption = alloc_zero(1, sizeof(*adoption) + strlen(directory) + 1);
    strcpy(adoption->directory, directory);
    adoption->journal = journal;
    adoption->visits = journal_status(journal)->visits;
    list_append(&adoptions->all, &adoption->link);
    log_info("journal %s: taken over, with %llu visits for the store", directory,
             (unsigned long long)adoption->visits);
    loop_timer_start(adoptions->loop, &adoptions->look, LOOK_INTERVAL_MS);
    return true;
}

size_t adoptions_count(const struct adoptions *adoptions)
{
    size_t count = 0;

    list_for_each(link, &adoptions->all) {
        count++;
    }
    return count;
}

struct adoption_view adoptions_at(const struct adoptions *adoptions, size_t index)
{
    struct list *link = adoptions->all.next;

    while (index-- > 0) {
        link = link->next;
    }
    return view_of(adoption_of(link));
}
