/* SPDX-License-Identifier: MIT */
/**
 * store: the contract of what keeps the numbers. Two stores fulfil it: redis_store and
 * sqlite_store; the same tests run against both.
 *
 * Every call ends in exactly one callback, in the loop, never from inside the call. What is passed
 * to a call by pointer stays with the caller and unchanged until that callback; what is passed to a
 * callback is gone when it returns. store_destroy() ends the open calls with STORE_UNKNOWN (or
 * STORE_REFUSED where it is certain) before it returns.
 */
#ifndef VISITCOUNTD_STORE_STORE_H
#define VISITCOUNTD_STORE_STORE_H

#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_outcome {
    STORE_OK,      /* applied, or read */
    STORE_REFUSED, /* certainly not applied: may be sent again with other content */
    STORE_UNKNOWN  /* may have been applied: must be sent again, unchanged, under its number */
};

/** Whom a refusal concerns. */
enum store_scope {
    STORE_SCOPE_SITE,  /* this site only: an error of its own keys */
    STORE_SCOPE_SERVER /* every site: the server takes no writes now, or the file is full or busy */
};

/** Longest site and page, in bytes, without NUL. */
#define STORE_SITE_MAX 64
#define STORE_PAGE_MAX 512

/**
 * Length of an epoch, without NUL: "g", the generation of the site that it belongs to in seven
 * digits, 96 random bits in hexadecimal. Versions before 0.2 used 128 random bits; these belong to
 * generation 0. A site's generation is 0, and one more after each repair.
 */
#define STORE_EPOCH_LENGTH 32

/** Largest generation that an epoch can name. */
#define STORE_GENERATION_MAX UINT64_C(9999999)

/** In place of a number that there is none of. */
#define STORE_NONE UINT64_MAX

/** At most so many numbers of a series, days of a sum, and pages of a list in one call. */
#define STORE_STEPS_MAX 1000
#define STORE_LIST_MAX  1000

/** Length of a salt: 256 random bits in hexadecimal, without NUL. */
#define STORE_SALT_LENGTH 64

/**
 * The page "" is the site itself: its numbers are those of all pages together, kept beside theirs
 * by the same code. No visit and no list has it as a page, and limits do not count it.
 */

/** The visits of one page in a batch. */
struct store_entry {
    const char *page; /* NUL-terminated */
    size_t page_length;
    uint64_t hits;      /* > 0; 0 in what heals a batch of which the entry was refused */
    bool wants_uniques; /* the answer is to say how many visitors it has on the batch's day */
};

/** A visitor of an entry's page, told apart from others by a hash that means nothing elsewhere. */
struct store_visitor {
    uint64_t hash;
    uint32_t entry; /* index of the entry */
};

/** Longest token, in bytes. */
#define STORE_TOKEN_MAX 128

/** For how long a token is remembered at least; kinds are not compared with each other. */
enum store_window {
    STORE_WINDOW_ATTEMPT, /* 15 s: attempts of one request by a proxy */
    STORE_WINDOW_CLIENT,  /* 1 h: a client that asks again because it got no answer */
    STORE_WINDOW_DAY,     /* the batch's day: a visitor who counts once a day */
    STORE_WINDOW_STAMPED  /* 20 s: attempts by a proxy whose tokens are stamps, see stamp.h */
};

#define STORE_WINDOW_COUNT 4

/** What the windows are, in seconds. */
#define STORE_WINDOW_ATTEMPT_S 15
#define STORE_WINDOW_CLIENT_S  3600
#define STORE_WINDOW_DAY_S     86400
#define STORE_WINDOW_STAMPED_S 20 /* SQLite knows windows by their lengths: each has its own */

/** What a window is, in seconds. */
static inline uint64_t store_window_s(enum store_window window)
{
    static const uint64_t seconds[STORE_WINDOW_COUNT] = {
        STORE_WINDOW_ATTEMPT_S, STORE_WINDOW_CLIENT_S, STORE_WINDOW_DAY_S, STORE_WINDOW_STAMPED_S};

    return seconds[window];
}

/**
 * For how long a store keeps a token after it saw it last, in seconds: while a batch can come to
 * whose time the window reaches, and `keep_s` more, since such a batch may wait in a journal.
 */
static inline uint64_t store_token_ttl_s(enum store_window window, uint64_t keep_s)
{
    return 3 * store_window_s(window) + keep_s;
}

/**
 * One visit of an entry that may arrive again, under the same token: the store counts it once per
 * site, page and window. The same token on another page is another visit; but for a token of a day,
 * which whoever makes it makes of the page, too. See token_key.h.
 */
struct store_token {
    const char *bytes;
    size_t length;  /* 1 … STORE_TOKEN_MAX; STAMP_LENGTH in the window of stamps */
    uint32_t entry; /* index of the entry whose hits it is one of */
    enum store_window window;
};

/**
 * What is applied in one atomic step. The store remembers per site and epoch the sequence number,
 * the visits so far and the answer of the last batch. A batch whose sequence is not above that one
 * is not applied again, but answered with what was stored; a batch that does not follow it is
 * refused as a gap.
 */
struct store_batch {
    const char *site;   /* NUL-terminated */
    const char *epoch;  /* NUL-terminated, STORE_EPOCH_LENGTH */
    uint64_t sequence;  /* 1 for the first batch of an epoch, then one more each time */
    uint64_t follows;   /* the sequence that the store must be at: usually sequence - 1 */
    uint64_t visits;    /* in the batches of this epoch up to this one */
    uint64_t hour;      /* hours since 1970-01-01T00Z in which the visits happened */
    uint64_t day;       /* days since 1970-01-01 in the site's time zone, likewise */
    uint64_t second;    /* seconds since 1970 when the batch was made: the time of its tokens */
    uint64_t pages_max; /* the site may have; a new page beyond that is not counted. 0: no limit */
    const struct store_entry *entries;
    size_t entry_count; /* > 0; each page once, none of them "" */
    const struct store_token *tokens;
    size_t token_count;                   /* may be 0 */
    const struct store_visitor *visitors; /* in the order of their entries */
    size_t visitor_count;                 /* may be 0 */
    /**
     * Tokens are also looked up in the form that versions before 0.2 kept, without the page. Set
     * while such a version may have written to the site; see `old_version_s`. SQLite needs not be
     * told: its file says whether it has such tokens.
     */
    bool finds_old_tokens;
};

/** Where the store's ledger is for an epoch: at its last batch; zeros when it knows none. */
struct store_position {
    uint64_t sequence;
    uint64_t visits; /* in the batches up to that one */
};

/** The end of an apply call. */
struct store_applied {
    enum store_outcome outcome;
    /**
     * STORE_OK: one per entry: the page's total after the batch. When the batch had been applied
     * before, the totals of that time. NULL otherwise. STORE_NONE: the page is new, and the site
     * has pages_max already: nothing of the entry was counted or remembered. New pages of one batch
     * are taken in their order.
     */
    const uint64_t *totals;
    /**
     * STORE_OK: one per entry: how many visitors the page has on the batch's day; STORE_NONE where
     * that was not asked, or is not known any more since the batch was applied long before.
     */
    const uint64_t *uniques;
    /** STORE_OK: one per token: it had been seen before, so its visit was not counted again. */
    const bool *repeated;
    bool duplicate; /* STORE_OK: it had been applied before */
    /** STORE_OK: how many replicas have confirmed it in time, of how many that were wanted. */
    uint64_t replicas;
    uint64_t replicas_wanted; /* 0: nobody waited for replicas */
    /**
     * STORE_REFUSED: the ledger's last sequence for this epoch is not the one that the batch
     * follows: the store went back in time, to where `at` says.
     */
    bool gap;
    struct store_position at;
    enum store_scope scope; /* STORE_REFUSED, unless gap: who is refused */
    /**
     * STORE_REFUSED: the keys of the site contradict each other: one of them was lost, or was
     * restored without the other. Nothing is written to the site until an operator repairs it.
     */
    bool is_torn;
    /**
     * STORE_REFUSED: the site was repaired, and the epoch is older than that. The epoch is of no
     * use any more: its batches may be part of what the operator put in. New epochs begin in
     * `generation`.
     */
    bool is_outdated;
    uint64_t generation; /* is_outdated: of the site now, at most STORE_GENERATION_MAX */
    /**
     * STORE_OK: for how many seconds tokens are to be looked up in their old form as well, since a
     * version before 0.2 wrote to the site within STORE_OLD_VERSION_S; 0: none did.
     */
    uint64_t old_version_s;
    bool is_unproven;   /* STORE_OK: such a version may still write, so the keys prove nothing */
    const char *reason; /* unless STORE_OK: what failed and why, for the log; never NULL */
};

/**
 * How long a site remembers that a version before 0.2 wrote to it, in seconds: three windows of a
 * client's token, and an hour for what waits in a journal.
 */
#define STORE_OLD_VERSION_S (4 * STORE_WINDOW_CLIENT_S)

/** For how long after that the keys prove nothing, in seconds. */
#define STORE_UNPROVEN_S 900

typedef void (*store_on_applied)(void *data, const struct store_applied *applied);

/** What is read of pages. */
enum store_number {
    STORE_TOTALS, /* visits ever */
    STORE_DAYS,   /* visits from a day to another */
    STORE_UNIQUES /* visitors, each once a day, from a day to another */
};

struct store_query {
    const char *site;
    const struct store_entry *pages; /* only their names are looked at; "": the site */
    size_t page_count;               /* > 0 */
    enum store_number kind;
    uint64_t from_day; /* local days since 1970, both inclusive, unless STORE_TOTALS; */
    uint64_t to_day;   /* at most STORE_STEPS_MAX */
};

/** The end of a read call: one number per page, 0 for a page never visited. */
struct store_read {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const uint64_t *numbers;
    const char *reason;
};

typedef void (*store_on_read)(void *data, const struct store_read *read);

enum store_step {
    STORE_BY_DAY, /* local days since 1970 */
    STORE_BY_HOUR /* hours since 1970-01-01T00Z */
};

/** A stretch of one page's history. */
struct store_span {
    const char *site;
    const char *page; /* "": the site */
    size_t page_length;
    enum store_step step;
    uint64_t from; /* both inclusive, at most STORE_STEPS_MAX steps */
    uint64_t to;
    bool is_unique; /* visitors instead of visits; STORE_BY_DAY only */
};

/** The end of a series call: one number per step, zeros included. */
struct store_series {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const uint64_t *numbers;
    size_t count;
    const char *reason;
};

typedef void (*store_on_series)(void *data, const struct store_series *series);

struct store_page {
    const char *page; /* NUL-terminated */
    size_t page_length;
    uint64_t total;
};

/** The end of a top or scan call. */
struct store_pages {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const struct store_page *pages;
    size_t count;
    const char *next; /* scan: where to go on, or NULL at the end */
    const char *reason;
};

typedef void (*store_on_pages)(void *data, const struct store_pages *pages);

/** The end of a sites call: the names of the sites that were admitted, in order. */
struct store_sites {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const char *const *names;
    size_t count;
    const char *reason;
};

typedef void (*store_on_sites)(void *data, const struct store_sites *sites);

/** What an operator changes. The site's own total follows. */
enum store_edit_kind {
    STORE_SET,    /* the total is `number` */
    STORE_ADD,    /* the total is `number` larger */
    STORE_DELETE, /* the page goes, with its days, hours and visitors */
    STORE_RENAME  /* the page becomes `to`, or is added to it where there is such a page */
};

struct store_edit {
    enum store_edit_kind kind;
    const char *site;
    const char *page; /* not "" */
    size_t page_length;
    const char *to; /* STORE_RENAME; another page, not "" */
    size_t to_length;
    uint64_t number; /* STORE_SET, STORE_ADD; at most STORE_NUMBER_MAX */
};

/** Totals above are not exact in Redis. */
#define STORE_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/**
 * The end of an edit call. Edits do not go through the ledger: after STORE_UNKNOWN nobody knows;
 * all but STORE_ADD may simply be repeated.
 */
struct store_edited {
    enum store_outcome outcome;
    uint64_t before; /* STORE_OK: the page's total; STORE_NONE where there was no such page */
    uint64_t after;  /* likewise; STORE_RENAME: that of `to` */
    const char *reason;
};

typedef void (*store_on_edited)(void *data, const struct store_edited *edited);

/** What an operator decides of a site that is torn; see struct store_applied. */
struct store_repair {
    const char *site;
    bool is_look;        /* nothing is changed: the answer says how the site is */
    bool is_forced;      /* a site that is not torn is repaired as well */
    bool trusts_hits;    /* the site's total is what the totals say, else `number` */
    uint64_t number;     /* at most STORE_NUMBER_MAX */
    uint64_t generation; /* of which the caller knows; the new one is above it */
};

/**
 * The end of a repair call. The totals of pages, days and hours stay as they are. After
 * STORE_UNKNOWN nobody knows; a site that is not torn any more was repaired.
 */
struct store_repaired {
    enum store_outcome outcome;
    const char *torn;          /* STORE_OK: what contradicts what; "" where nothing does */
    bool is_done;              /* STORE_OK: there is a new generation */
    uint64_t ledger_total;     /* of the site by the ledger; STORE_NONE: not known */
    uint64_t hits_total;       /* by the totals; STORE_NONE: not known */
    uint64_t pages;            /* that there are */
    uint64_t generation;       /* before */
    uint64_t generation_after; /* is_done */
    uint64_t total;            /* is_done: of the site now */
    const char *reason;        /* unless STORE_OK */
};

typedef void (*store_on_repaired)(void *data, const struct store_repaired *repaired);

/** The end of an admit call. */
struct store_admitted {
    enum store_outcome outcome; /* STORE_UNKNOWN too: asking again is harmless */
    bool is_admitted;           /* STORE_OK */
    const char *reason;
};

typedef void (*store_on_admitted)(void *data, const struct store_admitted *admitted);

/** The end of a salt call; `salt` is a secret: never logged or shown. */
struct store_salt {
    enum store_outcome outcome; /* STORE_UNKNOWN too: asking again is harmless */
    const char *salt;           /* STORE_OK: STORE_SALT_LENGTH characters, NUL-terminated */
    const char *reason;
};

typedef void (*store_on_salt)(void *data, const struct store_salt *salt);

/** What happens on a watched site: see store_listen_visits(). */
typedef void (*store_on_visits)(void *data, const char *site, const struct store_page *page);

/** The end of a ledger call. */
struct store_ledger {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    struct store_position at;
    bool is_torn; /* STORE_REFUSED: these three as of struct store_applied */
    bool is_outdated;
    uint64_t generation;
    enum store_scope scope; /* STORE_REFUSED: who is refused */
    const char *reason;
};

typedef void (*store_on_ledger)(void *data, const struct store_ledger *ledger);

/** A copy of the whole store as it was at one moment, in a file that has no name. */
struct store_copy;

/** Gets the bytes that were read, at least one; NULL where that failed. */
typedef void (*store_on_copy_read)(void *data, const char *bytes, size_t length);

struct store_copy {
    uint64_t bytes; /* its length */
    /** Reads some bytes from `offset` on, of which there are some; one read at a time. */
    void (*read)(struct store_copy *copy, uint64_t offset, store_on_copy_read on_read, void *data);
    /** Frees the copy. A read under way is not answered. */
    void (*destroy)(struct store_copy *copy);
};

/** The end of a backup call. */
struct store_backup {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    struct store_copy *copy;    /* STORE_OK: the callee's */
    const char *reason;
};

typedef void (*store_on_backup)(void *data, const struct store_backup *backup);

/** A replica that the store has, or had until lately. */
struct store_replica {
    char address[ADDRESS_TEXT_MAX]; /* as the store tells it */
    bool is_connected;
    uint64_t offset;     /* that it has acknowledged, in bytes of the replication stream */
    uint64_t lag_bytes;  /* how far it was behind the store when the store was asked last */
    uint64_t gone_ms;    /* for how long it has been missing; 0 while it is connected */
    uint64_t seen_at_ms; /* loop time at which the store was asked that named it last */
};

/** A setting or state of the store that was looked at. */
struct store_warning {
    const char *check; /* "eviction": its name in metrics */
    const char *text;  /* what is wrong, what comes of it, and the remedy; empty: nothing is */
};

/** How the store is, for status and metrics. */
struct store_health {
    const char *backend; /* "redis", "sqlite" */
    bool available;      /* calls have a chance now */
    const char *state;   /* "ready", "connecting", …: of the link, or of the file */
    char address[ADDRESS_TEXT_MAX];
    char peer[64];          /* numeric, of the address of a name that was tried last; or empty */
    char version[64];       /* of the server or library; empty when not known */
    char role[16];          /* "master", "replica"; empty when it has none */
    char last_error[256];   /* empty when there was none */
    uint64_t round_trip_us; /* of the last command; 0 when there was none */
    uint64_t commands;      /* sent since the start */
    uint64_t connects;      /* successful connects or opens since the start */
    uint64_t in_flight;     /* commands without an answer */
    uint64_t changed_at_ms; /* loop time of the last change of `available` */
    /**
     * Loop time: what was answered before is on every replica that is known. UINT64_MAX: there is
     * no replica to wait for, or the server does not tell.
     */
    uint64_t replicated_before_ms;
    /** Valid until the loop turns. */
    const struct store_replica *replicas;
    size_t replica_count;
    const struct store_warning *warnings; /* likewise; those with a text are to be told */
    size_t warning_count;
};

struct store;

/** What a store implements; each as the function of the same name below. */
struct store_operations {
    void (*apply)(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data);
    void (*read)(struct store *store, const struct store_query *query, store_on_read on_read,
                 void *data);
    void (*series)(struct store *store, const struct store_span *span, store_on_series on_series,
                   void *data);
    void (*top)(struct store *store, const char *site, size_t count, store_on_pages on_pages,
                void *data);
    void (*scan)(struct store *store, const char *site, const char *after, store_on_pages on_pages,
                 void *data);
    void (*sites)(struct store *store, store_on_sites on_sites, void *data);
    void (*ledger)(struct store *store, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data);
    void (*edit)(struct store *store, const struct store_edit *edit, store_on_edited on_edited,
                 void *data);
    /* NULL: the keys of a site cannot contradict each other */
    void (*repair)(struct store *store, const struct store_repair *repair,
                   store_on_repaired on_repaired, void *data);
    void (*admit)(struct store *store, const char *site, uint64_t limit,
                  store_on_admitted on_admitted, void *data);
    void (*salt)(struct store *store, uint64_t day, store_on_salt on_salt, void *data);
    void (*watch)(struct store *store, const char *site);
    void (*unwatch)(struct store *store, const char *site);
    /** NULL: the store is a server, which has its own ways. */
    void (*backup)(struct store *store, store_on_backup on_backup, void *data);
    void (*cancel_backup)(struct store *store, void *data);
    void (*health)(struct store *store, struct store_health *ret_health);
    void (*destroy)(struct store *store);
};

/** Is told when `available` changes, in the loop; embedded in whoever listens. */
struct store_listener {
    void (*on_change)(struct store_listener *listener, bool available);
    struct store_listener *next; /* the store's */
};

/** The part that all stores have in common; embedded as the first member. */
struct store {
    const struct store_operations *operations;
    struct store_listener *listeners; /* the latest first */
    store_on_visits on_visits;
    void *on_visits_data;
};

/** Applies a batch. */
static inline void store_apply(struct store *store, const struct store_batch *batch,
                               store_on_applied on_applied, void *data)
{
    store->operations->apply(store, batch, on_applied, data);
}

/** Reads one number of each page. */
static inline void store_read(struct store *store, const struct store_query *query,
                              store_on_read on_read, void *data)
{
    store->operations->read(store, query, on_read, data);
}

/** Reads one page's numbers by day or hour. */
static inline void store_series(struct store *store, const struct store_span *span,
                                store_on_series on_series, void *data)
{
    store->operations->series(store, span, on_series, data);
}

/** Reads the `count` (1 … STORE_LIST_MAX) pages of a site with the highest totals, in order. */
static inline void store_top(struct store *store, const char *site, size_t count,
                             store_on_pages on_pages, void *data)
{
    store->operations->top(store, site, count, on_pages, data);
}

/**
 * Reads some pages of a site, all of them in as many calls as it takes: the first with `after` "",
 * each other with the `next` of the one before. A page that is there all the time is told at least
 * once; a call may tell of none.
 */
static inline void store_scan(struct store *store, const char *site, const char *after,
                              store_on_pages on_pages, void *data)
{
    store->operations->scan(store, site, after, on_pages, data);
}

/** Reads the names of all sites that were admitted. */
static inline void store_sites(struct store *store, store_on_sites on_sites, void *data)
{
    store->operations->sites(store, on_sites, data);
}

/** Reads the ledger entry of an epoch. One that cannot be read is refused, by name. */
static inline void store_ledger(struct store *store, const char *site, const char *epoch,
                                store_on_ledger on_ledger, void *data)
{
    store->operations->ledger(store, site, epoch, on_ledger, data);
}

/** Changes what is kept of a page. */
static inline void store_edit(struct store *store, const struct store_edit *edit,
                              store_on_edited on_edited, void *data)
{
    store->operations->edit(store, edit, on_edited, data);
}

/** Whether a site can be torn, and store_repair() may be called. */
static inline bool store_can_repair(const struct store *store)
{
    return store->operations->repair != NULL;
}

/** Begins a new generation of a torn site, in which its numbers are what an operator says. */
static inline void store_repair(struct store *store, const struct store_repair *repair,
                                store_on_repaired on_repaired, void *data)
{
    store->operations->repair(store, repair, on_repaired, data);
}

/** Puts a site among those that there are, unless there are `limit` others; 0: no limit. */
static inline void store_admit(struct store *store, const char *site, uint64_t limit,
                               store_on_admitted on_admitted, void *data)
{
    store->operations->admit(store, site, limit, on_admitted, data);
}

/** Reads the salt of a local day, the same for whoever asks; who asks first makes it. */
static inline void store_salt(struct store *store, uint64_t day, store_on_salt on_salt, void *data)
{
    store->operations->salt(store, day, on_salt, data);
}

/**
 * Asks to be told what happens on a site, until store_unwatch() was called as often. `site` is
 * copied.
 */
static inline void store_watch(struct store *store, const char *site)
{
    store->operations->watch(store, site);
}

static inline void store_unwatch(struct store *store, const char *site)
{
    store->operations->unwatch(store, site);
}

/**
 * Sets who is told, in the loop, of each page of a watched site whose total changed, whichever
 * process counted, and of the site as page "". `page` NULL: watching has begun, or something may
 * have been missed, so read (again). From inside, no other site is watched or unwatched. One
 * listener.
 */
static inline void store_listen_visits(struct store *store, store_on_visits on_visits, void *data)
{
    store->on_visits = on_visits;
    store->on_visits_data = data;
}

/** Whether store_backup() may be called. */
static inline bool store_has_backup(const struct store *store)
{
    return store->operations->backup != NULL;
}

/**
 * Copies the whole store while it is in use, with all that was answered before; one at a time.
 * Takes as long as it takes.
 */
static inline void store_backup(struct store *store, store_on_backup on_backup, void *data)
{
    store->operations->backup(store, on_backup, data);
}

/**
 * Ends the backup with this `data`, which nobody waits for any more: its callback is called as
 * refused, at once unless the backup was to be refused anyway.
 */
static inline void store_cancel_backup(struct store *store, void *data)
{
    store->operations->cancel_backup(store, data);
}

/** Fills `ret_health`; asks nobody. */
static inline void store_health(struct store *store, struct store_health *ret_health)
{
    store->operations->health(store, ret_health);
}

/** Begins to tell a listener, of which the callback is set; before those that listen already. */
static inline void store_listen(struct store *store, struct store_listener *listener)
{
    listener->next = store->listeners;
    store->listeners = listener;
}

/** Tells a listener no more; not called while listeners are told. */
static inline void store_unlisten(struct store *store, struct store_listener *listener)
{
    struct store_listener **link = &store->listeners;

    while (*link != listener) {
        link = &(*link)->next;
    }
    *link = listener->next;
}

/** Ends all calls and frees the store; NULL is allowed. */
static inline void store_destroy(struct store *store)
{
    if (store != NULL) {
        store->operations->destroy(store);
    }
}

/** For stores: tells the listeners. */
static inline void store_notify(struct store *store, bool available)
{
    for (struct store_listener *listener = store->listeners; listener != NULL;
         listener = listener->next) {
        listener->on_change(listener, available);
    }
}

/** For stores: tells the listener of visits, if there is one. */
static inline void store_notify_visits(struct store *store, const char *site,
                                       const struct store_page *page)
{
    if (store->on_visits != NULL) {
        store->on_visits(store->on_visits_data, site, page);
    }
}

#endif
