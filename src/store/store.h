/* SPDX-License-Identifier: MIT */
/**
 * store: the interface of the backends that keep the numbers. redis_store and sqlite_store
 * implement it. The same tests run against both.
 *
 * Every call ends in exactly one callback. The callback runs in the loop, never inside the call.
 * A read that is called after a batch or an edit was answered sees it. Otherwise reads are in no
 * order with other calls.
 * The caller owns all memory that it passes to a call, and keeps it unchanged until the callback.
 * Memory that is passed to a callback is valid only until the callback returns. store_destroy()
 * ends all open calls before it returns: with STORE_REFUSED if they were certainly not applied,
 * else with STORE_UNKNOWN.
 */
#ifndef VISITCOUNTD_STORE_STORE_H
#define VISITCOUNTD_STORE_STORE_H

#include "base/require.h"
#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_outcome {
    STORE_OK,      /* applied, or read */
    STORE_REFUSED, /* certainly not applied; may be resent with other content */
    STORE_UNKNOWN  /* may have been applied; must be resent unchanged, under its number */
};

/** Which sites a refusal affects. */
enum store_scope {
    STORE_SCOPE_SITE,  /* this site only: its own keys cause the error */
    STORE_SCOPE_SERVER /* all sites: the server rejects writes, or the file is full or busy */
};

/** Longest site and page, in bytes, without NUL. */
#define STORE_SITE_MAX 64
#define STORE_PAGE_MAX 512

/**
 * Length of an epoch, without NUL. An epoch is "g", the site's generation in seven digits, and 96
 * random bits in hexadecimal. Versions before 0.2 used 128 random bits; such an epoch belongs to
 * generation 0. The generation of a site starts at 0. Each repair increments it.
 */
#define STORE_EPOCH_LENGTH 32

/** Largest generation that an epoch can name. */
#define STORE_GENERATION_MAX UINT64_C(9999999)

/** Stands for a missing number. */
#define STORE_NONE UINT64_MAX

/** Limits of one call: numbers of a series, days of a sum; pages of a list. */
#define STORE_STEPS_MAX 1000
#define STORE_LIST_MAX  1000

/** Length of a salt: 256 random bits in hexadecimal, without NUL. */
#define STORE_SALT_LENGTH 64

/**
 * The page "" is the site itself. Its numbers are the sums over all pages; the same code stores
 * them beside the numbers of the pages. No visit names this page, no list contains it, and limits
 * do not count it.
 */

/** The visits of one page in a batch. */
struct store_entry {
    const char *page; /* NUL-terminated */
    size_t page_length;
    uint64_t hits;      /* > 0; 0 in the resend of a batch whose entry was refused */
    bool wants_uniques; /* the answer must contain the page's visitors on the batch's day */
};

/** A visitor of an entry's page. The hash identifies the visitor on this site and day only. */
struct store_visitor {
    uint64_t hash;
    uint32_t entry; /* index of the entry */
};

/** Longest token, in bytes. */
#define STORE_TOKEN_MAX 128

/** Length of the token of a page view: 64 bits that its maker has hashed. */
#define STORE_VIEW_LENGTH 8

/** How long the store keeps a token at least. Tokens of different windows never match. */
enum store_window {
    STORE_WINDOW_ATTEMPT, /* 15 s: attempts of one request by a proxy */
    STORE_WINDOW_CLIENT,  /* 1 h: retries by a client that got no answer */
    STORE_WINDOW_DAY,     /* the batch's day: counts a visitor once a day */
    STORE_WINDOW_STAMPED, /* 20 s: attempts by a proxy whose tokens are stamps, see stamp.h */
    STORE_WINDOW_VIEW     /* 2 min: the view of a page in a browser; see token_key.h */
};

#define STORE_WINDOW_COUNT 5

/** The length of each window, in seconds. */
#define STORE_WINDOW_ATTEMPT_S 15
#define STORE_WINDOW_CLIENT_S  3600
#define STORE_WINDOW_DAY_S     86400
#define STORE_WINDOW_STAMPED_S 20 /* unique: SQLite identifies a window by its length */
#define STORE_WINDOW_VIEW_S    120

/** Returns the length of a window, in seconds. */
static inline uint64_t store_window_s(enum store_window window)
{
    static const uint64_t seconds[STORE_WINDOW_COUNT] = {
        STORE_WINDOW_ATTEMPT_S, STORE_WINDOW_CLIENT_S, STORE_WINDOW_DAY_S, STORE_WINDOW_STAMPED_S,
        STORE_WINDOW_VIEW_S};

    require(window < STORE_WINDOW_COUNT);
    return seconds[window];
}

/** Whether stores keep the tokens of a window as hashes; see token_key.h. */
static inline bool store_window_is_hashed(enum store_window window)
{
    return window == STORE_WINDOW_ATTEMPT || window == STORE_WINDOW_CLIENT;
}

/**
 * Returns how many seconds a store keeps a token at least: as long as a batch may arrive whose
 * window contains it, plus `keep_s`, because such a batch may wait in a journal. A client can make
 * up any number of tokens, so these are kept for one window only.
 */
static inline uint64_t store_token_ttl_s(enum store_window window, uint64_t keep_s)
{
    return (window == STORE_WINDOW_CLIENT ? 1 : 3) * store_window_s(window) + keep_s;
}

/**
 * The token of one visit of an entry. The visit may arrive again under the same token; the store
 * counts it once per site, page and window. The same token on another page is another visit. A
 * token of STORE_WINDOW_DAY already contains the page: its maker hashes the page into it. See
 * token_key.h.
 */
struct store_token {
    const char *bytes;
    size_t length;  /* 1 … STORE_TOKEN_MAX; STAMP_LENGTH of stamps, STORE_VIEW_LENGTH of views */
    uint32_t entry; /* index of the entry that counts this visit */
    enum store_window window;
};

/**
 * A batch is applied in one atomic step. Per site and epoch the store remembers the last batch: its
 * sequence, the visits so far and its answer. A batch with this sequence or a lower one is a
 * duplicate, which the store does not apply again. A duplicate of the last batch gets the stored
 * answer; one of an earlier batch gets the present totals. A batch that does not follow the last
 * one is a gap; the store refuses it.
 */
struct store_batch {
    const char *site;   /* NUL-terminated */
    const char *epoch;  /* NUL-terminated, STORE_EPOCH_LENGTH */
    uint64_t sequence;  /* 1 for the first batch of an epoch, then one more each time */
    uint64_t follows;   /* the store's last sequence must equal this; usually sequence - 1 */
    uint64_t visits;    /* of all batches of this epoch, this one included */
    uint64_t hour;      /* hours since 1970-01-01T00Z in which the visits happened */
    uint64_t day;       /* days since 1970-01-01 in the site's time zone, of the visits */
    uint64_t second;    /* seconds since 1970 when the batch was created: the time of its tokens */
    uint64_t pages_max; /* of the site; new pages beyond it are not counted. 0: no limit */
    const struct store_entry *entries;
    size_t entry_count; /* > 0; each page once, none of them "" */
    const struct store_token *tokens;
    size_t token_count;                   /* may be 0 */
    const struct store_visitor *visitors; /* in the order of their entries */
    size_t visitor_count;                 /* may be 0 */
    /**
     * Also look tokens up in the form that versions before 0.2 stored, without the page. Set it
     * while such a version may have written to the site; see `old_version_s`. SQLite ignores this:
     * its file shows whether it has such tokens.
     */
    bool finds_old_tokens;
    /**
     * The store has acknowledged a batch of this site, so the site's keys must have the mark that
     * this version leaves. Without it, a site that lost its ledger and its mark would be taken for
     * one of a version before 0.2. SQLite ignores this.
     */
    bool expects_mark;
};

/** The last batch of an epoch in the store's ledger; zeros if the ledger has none. */
struct store_position {
    uint64_t sequence;
    uint64_t visits; /* of all batches up to that one */
};

/** The result of an apply call. */
struct store_applied {
    enum store_outcome outcome;
    /**
     * One total per entry if STORE_OK, else NULL: the page's total after the batch. A duplicate of
     * the epoch's last batch gets the totals of the first time, one of an earlier batch the present
     * totals. STORE_NONE: the page is new and the site already has `pages_max` pages; the store
     * counted and remembered nothing of the entry. New pages of one batch are admitted in the order
     * of its entries.
     */
    const uint64_t *totals;
    /**
     * STORE_OK: one per entry: the page's visitors on the batch's day. STORE_NONE if the entry did
     * not want the number, or if the batch is a duplicate of an earlier batch whose answer is gone.
     */
    const uint64_t *uniques;
    /** STORE_OK: one per token: whether the store had seen it, and so did not count its visit. */
    const bool *duplicate_tokens;
    bool is_duplicate; /* STORE_OK: the batch had been applied before */
    /** STORE_OK: how many replicas confirmed the batch in time, and how many were required. */
    uint64_t replicas;
    uint64_t replicas_wanted; /* 0: the store did not wait for replicas */
    /**
     * STORE_REFUSED: the ledger's last sequence of this epoch is not the one that the batch
     * follows. The store was rolled back to `at`.
     */
    bool gap;
    struct store_position at;
    enum store_scope scope; /* STORE_REFUSED, unless gap: the affected sites */
    /**
     * STORE_REFUSED: the site is torn: its keys contradict each other, because one of them was lost
     * or was restored without the other. The store rejects every write to the site until an
     * operator repairs it.
     */
    bool is_torn;
    /**
     * STORE_REFUSED: the epoch is older than the last repair of the site. The store accepts no
     * batch of it any more: the numbers that the operator entered may contain its visits. Start a
     * new epoch in `generation`.
     */
    bool is_outdated;
    uint64_t generation; /* is_outdated: the site's, at most STORE_GENERATION_MAX */
    /**
     * STORE_OK: for how many more seconds batches must set `finds_old_tokens`, because a version
     * before 0.2 wrote to the site within the last STORE_OLD_VERSION_S. 0: no such version did.
     */
    uint64_t old_version_s;
    bool is_unproven;   /* STORE_OK: such a version may still write; a mismatch is accepted */
    const char *reason; /* unless STORE_OK: what failed and why, for the log; not NULL then */
};

/**
 * How many seconds a site remembers that a version before 0.2 wrote to it: three windows of a
 * client's token, and an hour for batches that wait in a journal.
 */
#define STORE_OLD_VERSION_S (4 * STORE_WINDOW_CLIENT_S)

/** For how many seconds after such a write the keys cannot prove whether the site is torn. */
#define STORE_UNPROVEN_S 900

typedef void (*store_on_applied)(void *data, const struct store_applied *applied);

/** Which number of a page a query reads. */
enum store_number {
    STORE_TOTALS, /* visits ever */
    STORE_DAYS,   /* visits in a range of days */
    STORE_UNIQUES /* visitors in a range of days, each counted once per day */
};

struct store_query {
    const char *site;
    const struct store_entry *pages; /* only the names are used; "": the site */
    size_t page_count;               /* > 0 */
    enum store_number kind;
    uint64_t from_day; /* local days since 1970, inclusive; unused by STORE_TOTALS */
    uint64_t to_day;   /* inclusive; the range has at most STORE_STEPS_MAX days */
    bool for_operator; /* reads of operators go before those of visitors */
};

/** The result of a read call: one number per page, 0 for a page without visits. */
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

/** A range of one page's history. */
struct store_span {
    const char *site;
    const char *page; /* "": the site */
    size_t page_length;
    enum store_step step;
    uint64_t from; /* both inclusive, at most STORE_STEPS_MAX steps */
    uint64_t to;
    bool is_unique;    /* visitors instead of visits; STORE_BY_DAY only */
    bool for_operator; /* as in struct store_query */
};

/** The result of a series call: one number per step, zeros included. */
struct store_series {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const uint64_t *numbers;
    size_t count;
    const char *reason;
};

typedef void (*store_on_series)(void *data, const struct store_series *series);

/** The pages of a site with the highest totals. */
struct store_ranking {
    const char *site;
    size_t count;      /* most pages, 1 … STORE_LIST_MAX */
    bool for_operator; /* as in struct store_query */
};

struct store_page {
    const char *page; /* NUL-terminated */
    size_t page_length;
    uint64_t total;
};

/** The result of a top or scan call. */
struct store_pages {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const struct store_page *pages;
    size_t count;
    const char *next; /* scan: `after` of the next call; NULL at the end */
    const char *reason;
};

typedef void (*store_on_pages)(void *data, const struct store_pages *pages);

/** The result of a sites call: the names of the admitted sites, sorted. */
struct store_sites {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    const char *const *names;
    size_t count;
    const char *reason;
};

typedef void (*store_on_sites)(void *data, const struct store_sites *sites);

/** The result of a count call. */
struct store_counted {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    uint64_t count;
    const char *reason;
};

typedef void (*store_on_counted)(void *data, const struct store_counted *counted);

/** The edits that an operator can make. Each also adjusts the site's own total. */
enum store_edit_kind {
    STORE_SET,    /* sets the total to `number` */
    STORE_ADD,    /* adds `number` to the total */
    STORE_DELETE, /* deletes the page with its days, hours and visitors */
    STORE_RENAME  /* renames the page to `to`; merges both if `to` exists */
};

struct store_edit {
    enum store_edit_kind kind;
    const char *site;
    const char *page; /* not "" */
    size_t page_length;
    const char *to; /* STORE_RENAME; another page, not "" */
    size_t to_length;
    uint64_t number;   /* STORE_SET, STORE_ADD; at most STORE_NUMBER_MAX */
    bool expects_mark; /* as in struct store_batch */
};

/** The largest total that Redis stores exactly: its scores are doubles. */
#define STORE_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/**
 * The result of an edit call. The ledger does not record edits, so STORE_UNKNOWN cannot be
 * resolved. All edits but STORE_ADD can be repeated safely.
 */
struct store_edited {
    enum store_outcome outcome;
    uint64_t before; /* STORE_OK: the page's total; STORE_NONE if the page did not exist */
    uint64_t after;  /* as `before`; STORE_RENAME: the total of `to` */
    const char *reason;
};

typedef void (*store_on_edited)(void *data, const struct store_edited *edited);

/** How an operator repairs a torn site; see struct store_applied. */
struct store_repair {
    const char *site;
    bool is_look;        /* change nothing, only report the state of the site */
    bool is_forced;      /* repair the site even if it is not torn */
    bool trusts_hits;    /* take the site's total from its totals; else `number` is it */
    uint64_t number;     /* at most STORE_NUMBER_MAX */
    uint64_t generation; /* the latest that the caller knows; the new one is higher */
    bool expects_mark;   /* as in struct store_batch */
};

/**
 * The result of a repair call. A repair leaves the totals of pages, days and hours unchanged. After
 * STORE_UNKNOWN, look at the site: if it is not torn any more, the repair succeeded.
 */
struct store_repaired {
    enum store_outcome outcome;
    const char *torn;          /* STORE_OK: which keys contradict each other; "": none do */
    bool is_done;              /* STORE_OK: the site has a new generation */
    uint64_t ledger_total;     /* the site's total by the ledger; STORE_NONE: not known */
    uint64_t hits_total;       /* the site's total by the totals; STORE_NONE: not known */
    uint64_t pages;            /* the number of pages */
    uint64_t generation;       /* before the repair */
    uint64_t generation_after; /* is_done */
    uint64_t total;            /* is_done: the site's total after the repair */
    const char *reason;        /* unless STORE_OK */
};

typedef void (*store_on_repaired)(void *data, const struct store_repaired *repaired);

/** The result of an admit call. */
struct store_admitted {
    enum store_outcome outcome; /* may be STORE_UNKNOWN: repeat the call */
    bool is_admitted;           /* STORE_OK */
    bool is_new;                /* STORE_OK: the call added it */
    const char *reason;
};

typedef void (*store_on_admitted)(void *data, const struct store_admitted *admitted);

/** The result of a salt call. `salt` is a secret: never log or show it. */
struct store_salt {
    enum store_outcome outcome; /* may be STORE_UNKNOWN: repeat the call */
    const char *salt;           /* STORE_OK: STORE_SALT_LENGTH characters, NUL-terminated */
    const char *reason;
};

typedef void (*store_on_salt)(void *data, const struct store_salt *salt);

/** Reports a changed total of a watched site; see store_listen_visits(). */
typedef void (*store_on_visits)(void *data, const char *site, const struct store_page *page);

/** The result of a ledger call. */
struct store_ledger {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    struct store_position at;
    bool is_torn; /* STORE_REFUSED: these three as in struct store_applied */
    bool is_outdated;
    uint64_t generation;
    enum store_scope scope; /* STORE_REFUSED: the affected sites */
    const char *reason;
};

typedef void (*store_on_ledger)(void *data, const struct store_ledger *ledger);

/** A snapshot of the whole store, in an unlinked file. */
struct store_copy;

/** Receives the bytes read, at least one; NULL if the read failed. */
typedef void (*store_on_copy_read)(void *data, const char *bytes, size_t length);

struct store_copy {
    uint64_t bytes; /* length of the copy */
    /** Reads some bytes at `offset`, which must be below `bytes`. One read at a time. */
    void (*read)(struct store_copy *copy, uint64_t offset, store_on_copy_read on_read, void *data);
    /** Frees the copy. The callback of an open read does not run. */
    void (*destroy)(struct store_copy *copy);
};

/** The result of a backup call. */
struct store_backup {
    enum store_outcome outcome; /* STORE_OK or STORE_REFUSED */
    struct store_copy *copy;    /* STORE_OK: the callback owns it */
    const char *reason;
};

typedef void (*store_on_backup)(void *data, const struct store_backup *backup);

/** A replica that the store names, or named within the grace period. */
struct store_replica {
    char address[ADDRESS_TEXT_MAX]; /* as the store reports it */
    bool is_connected;
    uint64_t offset;     /* acknowledged bytes of the replication stream */
    uint64_t lag_bytes;  /* how far it was behind at the last query of the store */
    uint64_t gone_ms;    /* how long it has been missing; 0 while connected */
    uint64_t seen_at_ms; /* loop time of the last query whose reply named it */
};

/** A setting or state of the store that was checked. */
struct store_warning {
    const char *check; /* "eviction": its name in metrics */
    const char *text;  /* the problem, its consequence and the remedy; empty: no problem */
};

/** The state of the store, for status and metrics. */
struct store_health {
    const char *backend; /* "redis", "sqlite" */
    bool available;      /* calls can succeed now */
    const char *state;   /* "ready", "connecting", …: of the link, or of the file */
    char address[ADDRESS_TEXT_MAX];
    char peer[64];          /* numeric; the address of the name that was tried last; or empty */
    char version[64];       /* of the server or library; empty: not known */
    char role[16];          /* "master", "replica"; empty: none */
    char last_error[256];   /* empty: none */
    uint64_t round_trip_us; /* of the last command; 0: none yet */
    uint64_t commands;      /* sent since the start */
    uint64_t connects;      /* successful connects or opens since the start */
    uint64_t in_flight;     /* commands without an answer */
    uint64_t changed_at_ms; /* loop time of the last change of `available` */
    /**
     * Every batch that was answered before this loop time is on all known replicas. UINT64_MAX: the
     * store has no replicas, or the server does not report them.
     */
    uint64_t replicated_before_ms;
    /** Valid during this turn of the loop. */
    const struct store_replica *replicas;
    size_t replica_count;
    const struct store_warning *warnings; /* valid as `replicas`; report those with a text */
    size_t warning_count;
};

struct store;

/**
 * The functions that a store implements. Each is documented at the function of the same name below.
 */
struct store_operations {
    void (*apply)(struct store *store, const struct store_batch *batch, store_on_applied on_applied,
                  void *data);
    void (*read)(struct store *store, const struct store_query *query, store_on_read on_read,
                 void *data);
    void (*series)(struct store *store, const struct store_span *span, store_on_series on_series,
                   void *data);
    void (*top)(struct store *store, const struct store_ranking *ranking, store_on_pages on_pages,
                void *data);
    void (*scan)(struct store *store, const char *site, const char *after, store_on_pages on_pages,
                 void *data);
    void (*sites)(struct store *store, store_on_sites on_sites, void *data);
    void (*count)(struct store *store, const char *site, store_on_counted on_counted, void *data);
    void (*ledger)(struct store *store, const char *site, const char *epoch,
                   store_on_ledger on_ledger, void *data);
    void (*edit)(struct store *store, const struct store_edit *edit, store_on_edited on_edited,
                 void *data);
    /* NULL: sites of this store cannot be torn */
    void (*repair)(struct store *store, const struct store_repair *repair,
                   store_on_repaired on_repaired, void *data);
    void (*admit)(struct store *store, const char *site, uint64_t limit,
                  store_on_admitted on_admitted, void *data);
    void (*salt)(struct store *store, uint64_t day, store_on_salt on_salt, void *data);
    void (*watch)(struct store *store, const char *site);
    void (*unwatch)(struct store *store, const char *site);
    /** NULL: the store is a server with its own backups. */
    void (*backup)(struct store *store, store_on_backup on_backup, void *data);
    void (*cancel_backup)(struct store *store, void *data);
    void (*health)(struct store *store, struct store_health *ret_health);
    void (*destroy)(struct store *store);
};

/** Receives changes of `available`, in the loop. Embedded in its owner. */
struct store_listener {
    void (*on_change)(struct store_listener *listener, bool available);
    struct store_listener *next; /* private to the store */
};

/** The common part of all stores; embedded as the first member. */
struct store {
    const struct store_operations *operations;
    struct store_listener *listeners; /* the latest first */
    store_on_visits on_visits;
    void *on_visits_data;
    uint64_t client_window_s;   /* see store_client_window_s() */
    bool refuses_client_tokens; /* see store_refuses_client_tokens() */
};

/** Applies a batch. */
static inline void store_apply(struct store *store, const struct store_batch *batch,
                               store_on_applied on_applied, void *data)
{
    require(batch->entry_count != 0);
    require(batch->follows < batch->sequence);
    store->operations->apply(store, batch, on_applied, data);
}

/** Reads one number per page. */
static inline void store_read(struct store *store, const struct store_query *query,
                              store_on_read on_read, void *data)
{
    require(query->page_count != 0);
    require(query->kind == STORE_TOTALS || query->from_day <= query->to_day);
    require(query->kind == STORE_TOTALS || query->to_day - query->from_day < STORE_STEPS_MAX);
    store->operations->read(store, query, on_read, data);
}

/** Reads one page's numbers by day or hour. */
static inline void store_series(struct store *store, const struct store_span *span,
                                store_on_series on_series, void *data)
{
    require(span->from <= span->to && span->to - span->from < STORE_STEPS_MAX);
    require(!span->is_unique || span->step == STORE_BY_DAY);
    store->operations->series(store, span, on_series, data);
}

/** Reads the pages of a site with the highest totals, in order. */
static inline void store_top(struct store *store, const struct store_ranking *ranking,
                             store_on_pages on_pages, void *data)
{
    require(ranking->count != 0 && ranking->count <= STORE_LIST_MAX);
    store->operations->top(store, ranking, on_pages, data);
}

/**
 * Reads some pages of a site, for an operator. Repeated calls read all of them: pass `after` ""
 * first, then the `next` of the call before, until it is NULL. A page that exists during the whole
 * scan is reported at least once. A single call may report no pages.
 */
static inline void store_scan(struct store *store, const char *site, const char *after,
                              store_on_pages on_pages, void *data)
{
    require(site[0] != '\0' && after != NULL);
    store->operations->scan(store, site, after, on_pages, data);
}

/** Reads the names of all admitted sites, for an operator. */
static inline void store_sites(struct store *store, store_on_sites on_sites, void *data)
{
    store->operations->sites(store, on_sites, data);
}

/**
 * Counts the pages of a site, as far as they count for `pages_max`; with the site "" counts the
 * admitted sites. Cheap: it does not read them.
 */
static inline void store_count(struct store *store, const char *site, store_on_counted on_counted,
                               void *data)
{
    store->operations->count(store, site, on_counted, data);
}

/**
 * Reads the ledger entry of an epoch that has had an acknowledged batch. An unreadable entry is
 * STORE_REFUSED, with a reason that names it.
 */
static inline void store_ledger(struct store *store, const char *site, const char *epoch,
                                store_on_ledger on_ledger, void *data)
{
    require(strlen(epoch) == STORE_EPOCH_LENGTH);
    store->operations->ledger(store, site, epoch, on_ledger, data);
}

/** Changes the stored numbers of a page. */
static inline void store_edit(struct store *store, const struct store_edit *edit,
                              store_on_edited on_edited, void *data)
{
    require(edit->page_length != 0 && edit->page_length <= STORE_PAGE_MAX);
    require(edit->number <= STORE_NUMBER_MAX);
    require(edit->kind != STORE_RENAME || edit->to_length != 0);
    store->operations->edit(store, edit, on_edited, data);
}

/** Returns whether sites of this store can be torn. If not, store_repair() must not be called. */
static inline bool store_can_repair(const struct store *store)
{
    return store->operations->repair != NULL;
}

/** Begins a new generation of a torn site, with the site's total that the operator chose. */
static inline void store_repair(struct store *store, const struct store_repair *repair,
                                store_on_repaired on_repaired, void *data)
{
    require(store_can_repair(store));
    require(repair->number <= STORE_NUMBER_MAX && repair->generation <= STORE_GENERATION_MAX);
    store->operations->repair(store, repair, on_repaired, data);
}

/** Admits a site, unless `limit` other sites are admitted already. 0: no limit. */
static inline void store_admit(struct store *store, const char *site, uint64_t limit,
                               store_on_admitted on_admitted, void *data)
{
    require(site[0] != '\0');
    store->operations->admit(store, site, limit, on_admitted, data);
}

/**
 * Reads the salt of a local day. The first call for a day creates it; all instances get the same.
 */
static inline void store_salt(struct store *store, uint64_t day, store_on_salt on_salt, void *data)
{
    store->operations->salt(store, day, on_salt, data);
}

/**
 * Watches a site: its visits are reported to the listener of store_listen_visits(). Calls nest: the
 * site is watched until store_unwatch() has been called as often. `site` is copied.
 */
static inline void store_watch(struct store *store, const char *site)
{
    require(site[0] != '\0');
    store->operations->watch(store, site);
}

/** Ends one watch of a site. */
static inline void store_unwatch(struct store *store, const char *site)
{
    store->operations->unwatch(store, site);
}

/**
 * Sets the only listener of visits. `on_visits` runs in the loop, once for each page of a watched
 * site whose total changed, whichever process counted the visit, and once for the site as page "".
 * `page` is NULL when watching begins and when reports may have been lost; then read the totals
 * (again). The callback must not watch or unwatch any other site.
 */
static inline void store_listen_visits(struct store *store, store_on_visits on_visits, void *data)
{
    store->on_visits = on_visits; /* NULL ends the listening */
    store->on_visits_data = data;
}

/** Returns whether store_backup() may be called. */
static inline bool store_has_backup(const struct store *store)
{
    return store->operations->backup != NULL;
}

/**
 * Copies the whole store while it is in use. The copy contains every batch that was answered before
 * the call. One backup runs at a time. It has no timeout.
 */
static inline void store_backup(struct store *store, store_on_backup on_backup, void *data)
{
    require(store_has_backup(store));
    store->operations->backup(store, on_backup, data);
}

/**
 * Cancels the backup that was started with this `data`. Its callback gets STORE_REFUSED: at once,
 * inside this call, unless the backup was about to be refused anyway.
 */
static inline void store_cancel_backup(struct store *store, void *data)
{
    require(store_has_backup(store));
    store->operations->cancel_backup(store, data);
}

/**
 * Returns for how many seconds the store keeps the tokens of STORE_WINDOW_CLIENT now. Less than
 * STORE_WINDOW_CLIENT_S: its memory is short.
 */
static inline uint64_t store_client_window_s(const struct store *store)
{
    return store->client_window_s;
}

/**
 * Whether the store's memory is full, and batches should bring no further tokens of
 * STORE_WINDOW_CLIENT. A batch that does is applied all the same.
 */
static inline bool store_refuses_client_tokens(const struct store *store)
{
    return store->refuses_client_tokens;
}

/** Fills `ret_health`. Sends nothing to the server. */
static inline void store_health(struct store *store, struct store_health *ret_health)
{
    store->operations->health(store, ret_health);
}

/** Adds a listener whose `on_change` is set. It is called before those that were added earlier. */
static inline void store_listen(struct store *store, struct store_listener *listener)
{
    require(listener->on_change != NULL);
    listener->next = store->listeners;
    store->listeners = listener;
}

/** Removes a listener. Must not be called from an `on_change`. */
static inline void store_unlisten(struct store *store, struct store_listener *listener)
{
    struct store_listener **link = &store->listeners;

    while (*link != listener) {
        link = &(*link)->next;
    }
    *link = listener->next;
}

/** Ends all calls and frees the store. NULL is allowed. */
static inline void store_destroy(struct store *store)
{
    if (store != NULL) {
        store->operations->destroy(store);
    }
}

/** For stores: calls all listeners. */
static inline void store_notify(struct store *store, bool available)
{
    for (struct store_listener *listener = store->listeners; listener != NULL;
         listener = listener->next) {
        listener->on_change(listener, available);
    }
}

/** For stores: calls the listener of visits, if there is one. */
static inline void store_notify_visits(struct store *store, const char *site,
                                       const struct store_page *page)
{
    if (store->on_visits != NULL) {
        store->on_visits(store->on_visits_data, site, page);
    }
}

#endif
