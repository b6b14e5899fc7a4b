/* SPDX-License-Identifier: MIT */
#include "fake_redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_MAX (16 * 1024 * 1024)

static void demand(bool condition, const char *what)
{
    if (!condition) {
        perror(what);
        abort();
    }
}

static void init(struct fake_redis *redis)
{
    memset(redis, 0, sizeof(*redis));
    redis->listener = -1;
    redis->peer = -1;
    redis->input = malloc(INPUT_MAX);
    redis->command = malloc(INPUT_MAX);
    demand(redis->input != NULL && redis->command != NULL, "malloc");
}

void fake_redis_open(struct fake_redis *redis)
{
    init(redis);
    strcpy(redis->directory, "/tmp/visitcountd-test-XXXXXX");
    demand(mkdtemp(redis->directory) != NULL, "mkdtemp");
    redis->address.is_unix = true;
    snprintf(redis->address.path, sizeof(redis->address.path), "%s/s", redis->directory);
    fake_redis_listen_again(redis);
}

void fake_redis_open_port(struct fake_redis *redis, const char *host, unsigned port)
{
    init(redis);
    snprintf(redis->address.host, sizeof(redis->address.host), "%s", host);
    redis->address.port = (uint16_t)port;
    fake_redis_listen_again(redis);
}

static int listen_on_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    demand(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    return fd;
}

static int listen_on_port(struct address *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port->port)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    inet_pton(AF_INET, port->host, &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    demand(bind(fd, (struct sockaddr *)&address, length) == 0, "bind");
    demand(getsockname(fd, (struct sockaddr *)&address, &length) == 0, "getsockname");
    port->port = ntohs(address.sin_port);
    return fd;
}

void fake_redis_listen_again(struct fake_redis *redis)
{
    redis->listener = redis->address.is_unix ? listen_on_path(redis->address.path)
                                             : listen_on_port(&redis->address);
    demand(listen(redis->listener, 16) == 0, "listen");
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void fake_redis_stop_listening(struct fake_redis *redis)
{
    close_fd(&redis->listener);
    if (redis->address.is_unix) {
        unlink(redis->address.path);
    }
}

void fake_redis_close(struct fake_redis *redis)
{
    fake_redis_hang_up(redis);
    fake_redis_stop_listening(redis);
    if (*redis->directory != '\0') {
        rmdir(redis->directory);
    }
    free(redis->input);
    free(redis->command);
}

bool fake_redis_accept(struct fake_redis *redis)
{
    int fd = accept4(redis->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        demand(errno == EAGAIN, "accept");
        return false;
    }
    close_fd(&redis->peer);
    redis->peer = fd;
    redis->length = 0;
    return true;
}

bool fake_redis_was_left(struct fake_redis *redis)
{
    char bytes[4096];
    ssize_t got;

    do {
        got = read(redis->peer, bytes, sizeof(bytes));
    } while (got > 0);
    return got == 0 || errno == ECONNRESET;
}

size_t fake_redis_read(struct fake_redis *redis, char *ret_bytes, size_t size)
{
    size_t total = 0;
    ssize_t got;

    while (total < size && (got = read(redis->peer, ret_bytes + total, size - total)) > 0) {
        total += (size_t)got;
    }
    return total;
}

/*
 * Reads a line "*12\r\n" or "$12\r\n" at `*at` and moves `*at` behind it. Returns -1 if the line is
 * not complete.
 */
static long take_number(const struct fake_redis *redis, size_t *at, char kind)
{
    const char *end = memchr(redis->input + *at, '\n', redis->length - *at);
    long number;

    if (end == NULL) {
        return -1;
    }
    errno = EPROTO;
    demand(redis->input[*at] == kind, "a command");
    number = strtol(redis->input + *at + 1, NULL, 10);
    *at = (size_t)(end + 1 - redis->input);
    return number;
}

/* copies a whole command and returns its length in `input`, or 0 */
static size_t parse_command(struct fake_redis *redis)
{
    size_t at = 0;
    size_t length = 0;
    long arguments = take_number(redis, &at, '*');

    for (long i = 0; i < arguments; i++) {
        long bytes = at < redis->length ? take_number(redis, &at, '$') : -1;

        if (bytes < 0 || at + (size_t)bytes + 2 > redis->length) {
            return 0;
        }
        memcpy(redis->command + length, redis->input + at, (size_t)bytes);
        length += (size_t)bytes;
        redis->command[length++] = ' ';
        at += (size_t)bytes + 2;
    }
    if (arguments < 0) {
        return 0;
    }
    redis->command[length - 1] = '\0';
    redis->argument_count = (size_t)arguments;
    return at;
}

const char *fake_redis_command(struct fake_redis *redis)
{
    size_t length;

    redis->length +=
        fake_redis_read(redis, redis->input + redis->length, INPUT_MAX - redis->length);
    length = redis->length != 0 ? parse_command(redis) : 0;
    if (length == 0) {
        return NULL;
    }
    redis->length -= length;
    memmove(redis->input, redis->input + length, redis->length);
    return redis->command;
}

void fake_redis_write(struct fake_redis *redis, const char *bytes, size_t length)
{
    demand(send(redis->peer, bytes, length, MSG_NOSIGNAL) == (ssize_t)length, "send");
}

void fake_redis_send(struct fake_redis *redis, const char *text)
{
    fake_redis_write(redis, text, strlen(text));
}

void fake_redis_hang_up(struct fake_redis *redis)
{
    close_fd(&redis->peer);
}

void fake_redis_reset(struct fake_redis *redis)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(redis->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close_fd(&redis->peer);
}
