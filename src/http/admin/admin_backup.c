/* SPDX-License-Identifier: MIT */
#include "http/admin/admin_backup.h"

#include "base/alloc.h"
#include "base/list.h"
#include "http/request/app.h"
#include "http/request/response.h"
#include "loop/loop.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* interval of the line "copying"; visitcountctl's timeout is longer */
#define TICK_MS 1000

/* A running backup. It lives until both the request and the store have finished with it. */
struct backup {
    h2o_generator_t generator;
    struct request *request; /* NULL if it is gone or answered */
    struct backup **guard;   /* in the request's pool, which clears `request` through it */
    struct loop_timer tick;
    bool is_asked;   /* the call to the store is open */
    bool is_reading; /* a read of the copy is open */
    bool has_begun;  /* the answer's headers were sent */
    bool is_sending; /* libh2o is sending our bytes */
    bool is_counted; /* "bytes N" was sent */
    struct store_copy *copy;
    uint64_t sent; /* bytes of the copy so far */
    char line[320];
    char reason[256]; /* the error; empty without one */
};

static void destroy_unless_used(struct backup *backup)
{
    if (backup->request != NULL || backup->is_asked) {
        return;
    }
    if (backup->copy != NULL) {
        backup->copy->destroy(backup->copy);
    }
    free(backup);
}

/** Detaches the request, which is answered or gone. */
static void release(struct backup *backup)
{
    struct store *store = backup->request->app->store;

    loop_timer_stop(&backup->tick);
    *backup->guard = NULL;
    backup->request = NULL;
    if (backup->is_asked) {
        store_cancel_backup(store, backup); /* on_backup() destroys it */
    } else {
        destroy_unless_used(backup);
    }
}

static void on_request_gone(void *data)
{
    struct backup **guard = data;

    if (*guard != NULL) {
        release(*guard);
    }
}

/* The answer */

static void begin_answer(struct backup *backup)
{
    if (!backup->has_begun) {
        backup->has_begun = true;
        response_send_stream(
            backup->request,
            &(struct response){.status = 200, .content_type = "application/octet-stream"},
            &backup->generator);
    }
}

static void send_bytes(struct backup *backup, const char *bytes, size_t length)
{
    h2o_iovec_t piece = h2o_iovec_init(bytes, length);

    backup->is_sending = true;
    h2o_send(backup->request->h2o, &piece, 1, H2O_SEND_STATE_IN_PROGRESS);
}

static void send_line(struct backup *backup)
{
    send_bytes(backup, backup->line, strlen(backup->line));
}

static void send_end(struct backup *backup, const char *line)
{
    h2o_req_t *req = backup->request->h2o;
    h2o_iovec_t last = h2o_strdup(&req->pool, line, strlen(line));

    release(backup);
    h2o_send(req, &last, last.len != 0 ? 1 : 0, H2O_SEND_STATE_FINAL);
}

static void fail(struct backup *backup)
{
    struct request *request = backup->request;
    char line[sizeof(backup->line)];

    snprintf(line, sizeof(line), "error %s\n", backup->reason);
    if (backup->has_begun) {
        send_end(backup, line);
    } else {
        loop_timer_stop(&backup->tick);
        response_send_error(request, 503, "no_backup", "%s", backup->reason);
    }
}

static void on_piece(void *data, const char *bytes, size_t length)
{
    struct backup *backup = data;

    backup->is_reading = false;
    if (bytes == NULL) {
        snprintf(backup->reason, sizeof(backup->reason), "the copy cannot be read");
        fail(backup);
        return;
    }
    backup->sent += length;
    send_bytes(backup, bytes, length);
}

/**
 * Sends the next part. Does nothing until the store has answered and libh2o has sent the previous
 * part.
 */
static void advance(struct backup *backup)
{
    if (backup->is_sending || backup->is_reading || backup->is_asked) {
        return;
    }
    if (backup->reason[0] != '\0') {
        fail(backup);
        return;
    }
    begin_answer(backup);
    if (!backup->is_counted) {
        backup->is_counted = true;
        snprintf(backup->line, sizeof(backup->line), "bytes %" PRIu64 "\n", backup->copy->bytes);
        send_line(backup);
    } else if (backup->sent < backup->copy->bytes) {
        backup->is_reading = true;
        backup->copy->read(backup->copy, backup->sent, on_piece, backup);
    } else {
        send_end(backup, "");
    }
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct backup *backup = container_of(generator, struct backup, generator);

    (void)req;
    backup->is_sending = false;
    advance(backup);
}

/** The client left. */
static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
    (void)req;
    release(container_of(generator, struct backup, generator));
}

static void on_tick(struct loop_timer *timer)
{
    struct backup *backup = container_of(timer, struct backup, tick);

    if (!backup->is_asked) {
        return;
    }
    begin_answer(backup);
    if (!backup->is_sending) {
        snprintf(backup->line, sizeof(backup->line), "copying\n");
        send_line(backup);
    }
    loop_timer_start(backup->request->app->loop, &backup->tick, TICK_MS);
}

static void on_backup(void *data, const struct store_backup *result)
{
    struct backup *backup = data;

    backup->is_asked = false;
    backup->copy = result->copy;
    if (result->outcome != STORE_OK) {
        snprintf(backup->reason, sizeof(backup->reason), "%s", result->reason);
    }
    if (backup->request == NULL) {
        destroy_unless_used(backup);
    } else {
        advance(backup);
    }
}

void admin_handle_backup(struct request *request)
{
    struct store *store = request->app->store;
    struct backup *backup;

    if (!store_has_backup(store)) {
        response_send_error(
            request, 422, "no_backup",
            "the store is Redis, which is backed up where it runs: BGSAVE, then copy its "
            "dump.rdb, and with appendonly its appendonlydir as well");
        return;
    }
    backup = alloc_zero(1, sizeof(*backup));
    backup->generator = (h2o_generator_t){on_proceed, on_stop};
    backup->request = request;
    backup->guard =
        h2o_mem_alloc_shared(&request->h2o->pool, sizeof(*backup->guard), on_request_gone);
    *backup->guard = backup;
    loop_timer_init(&backup->tick, on_tick);
    loop_timer_start(request->app->loop, &backup->tick, TICK_MS);
    backup->is_asked = true;
    store_backup(store, on_backup, backup);
}
