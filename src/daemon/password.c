/* SPDX-License-Identifier: MIT */
#include "daemon/password.h"

#include "base/alloc.h"
#include "base/log.h"
#include "config/config.h"
#include "config/secret.h"

#include <stdlib.h>
#include <string.h>

/* a file that still cannot be read is logged again after this time */
#define WARN_AGAIN_MS 60000

static void on_work(struct disk_job *job)
{
    struct password *password = container_of(job, struct password, job);

    password->problem = secret_read_again(password->path, &password->text);
}

static void warn(struct password *password)
{
    uint64_t now_ms = loop_now_ms(password->loop);

    if (password->warned_at_ms == 0 || now_ms - password->warned_at_ms >= WARN_AGAIN_MS) {
        password->warned_at_ms = now_ms;
        log_warning("redis.password_file: %s: %s; going on with the password that was read before",
                    password->path, password->problem);
    }
}

static void forget_text(struct password *password)
{
    if (password->text.bytes != NULL) {
        explicit_bzero(password->text.bytes, password->text.length);
    }
    buf_finish(&password->text);
}

static void on_done(struct disk_job *job)
{
    struct password *password = container_of(job, struct password, job);

    password->is_reading = false;
    if (password->problem != NULL) {
        warn(password);
    } else {
        password->warned_at_ms = 0;
        password->on_read(password->data, password->text.bytes);
    }
    forget_text(password);
}

void password_init(struct password *password, struct loop *loop,
                   void (*on_read)(void *data, const char *password), void *data)
{
    *password = (struct password){.loop = loop, .on_read = on_read, .data = data};
    password->job.work = on_work;
    password->job.done = on_done;
}

void password_finish(struct password *password)
{
    disk_destroy(password->disk);
    free(password->path);
}

void password_read(struct password *password, const char *path)
{
    if (password->is_reading) {
        return;
    }
    if (password->disk == NULL) {
        password->disk = disk_create(password->loop);
    }
    free(password->path);
    password->path = alloc_text(path);
    password->is_reading = true;
    disk_submit(password->disk, &password->job);
}
