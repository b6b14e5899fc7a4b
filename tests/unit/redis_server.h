/* SPDX-License-Identifier: MIT */
/**
 * redis_server: a real Redis server of a test's own, on a unix socket.
 */
#ifndef VISITCOUNTD_TESTS_REDIS_SERVER_H
#define VISITCOUNTD_TESTS_REDIS_SERVER_H

#include "base/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* longer than its start takes, also under valgrind */
#define REDIS_SERVER_PATIENCE_MS 60000

static inline bool redis_server_is_installed(void)
{
    return system("command -v redis-server >/dev/null 2>&1") == 0;
}

/* whether the server answers; no file shows that */
static inline bool redis_server_answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[8] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              write(fd, "PING\r\n", 6) == 6 && read(fd, answer, 7) == 7 &&
              strcmp(answer, "+PONG\r\n") == 0;
    close(fd);
    return answers;
}

/* starts a server without persistence, and waits until it answers */
static inline pid_t redis_server_start(const char *directory, const char *path)
{
    uint64_t give_up_at_ms = clock_monotonic_ms() + REDIS_SERVER_PATIENCE_MS;
    pid_t server = fork();

    assert_true(server >= 0);
    if (server == 0) {
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--dir",
               directory, "--save", "", "--appendonly", "no", "--loglevel", "warning", "--logfile",
               "/dev/null", (char *)NULL);
        _exit(127);
    }
    while (!redis_server_answers(path)) {
        assert_true(clock_monotonic_ms() < give_up_at_ms);
        assert_int_equal(waitpid(server, NULL, WNOHANG), 0);
        poll(NULL, 0, 5);
    }
    return server;
}

/* ends a server at once, if there is one */
static inline void redis_server_stop(pid_t *server)
{
    if (*server > 0) {
        kill(*server, SIGKILL);
        waitpid(*server, NULL, 0);
        *server = 0;
    }
}

/* sends an inline command and returns the start of the reply */
static inline const char *redis_server_ask(const char *path, const char *command)
{
    static char reply[256];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t length;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, command, strlen(command)), strlen(command));
    assert_int_equal(write(fd, "\r\n", 2), 2);
    length = read(fd, reply, sizeof(reply) - 1);
    assert_true(length > 0);
    reply[length] = '\0';
    close(fd);
    return reply;
}

#endif
