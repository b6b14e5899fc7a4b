/* SPDX-License-Identifier: MIT */
#include "http/server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* a directory for each test, and a path in it */
struct place {
    char directory[32];
    struct address address;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    strcpy(place->directory, "/tmp/test_listener.XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    place->address.is_unix = true;
    snprintf(place->address.path, sizeof(place->address.path), "%s/a.sock", place->directory);
    *state = place;
    return 0;
}

/** The listener must leave no file behind, otherwise rmdir(2) fails. */
static int tear_down(void **state)
{
    struct place *place = *state;

    assert_int_equal(rmdir(place->directory), 0);
    free(place);
    return 0;
}

static size_t open_at(const struct address *address, struct listener_socket *ret_socket,
                      struct buf *errors)
{
    struct listener_socket sockets[LISTENER_ADDRESS_MAX];
    size_t count = listener_open("test x", address, LISTENER_ANYONE, sockets, errors);

    if (count != 0) {
        *ret_socket = sockets[0];
    }
    return count;
}

static void open_well(const struct address *address, struct listener_socket *ret_socket)
{
    struct buf errors = BUF_EMPTY;

    assert_int_equal(open_at(address, ret_socket, &errors), 1);
    assert_int_equal(errors.length, 0);
    buf_finish(&errors);
}

static void expect_refusal(const struct address *address, const char *expected)
{
    struct listener_socket socket;
    struct buf errors = BUF_EMPTY;

    assert_int_equal(open_at(address, &socket, &errors), 0);
    assert_string_equal(errors.bytes, expected);
    buf_finish(&errors);
}

/** A socket of another program, without our lock. It listens if `backlog` is not -1. */
static int bind_foreign(const char *path, int backlog)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    strcpy(name.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    if (backlog >= 0) {
        assert_int_equal(listen(fd, backlog), 0);
    }
    return fd;
}

static int connect_to(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc;

    assert_true(fd >= 0);
    strcpy(name.sun_path, path);
    rc = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

static void test_a_unix_socket_can_be_connected_to(void **state)
{
    const struct place *place = *state;
    struct listener_socket socket;

    open_well(&place->address, &socket);
    assert_int_equal(mode_of(place->address.path), 0666);
    assert_int_equal(connect_to(place->address.path), 0);
    listener_close(&socket);
    assert_int_equal(connect_to(place->address.path), -ENOENT);
}

static void test_the_admin_socket_is_for_its_group(void **state)
{
    const struct place *place = *state;
    struct listener_socket sockets[LISTENER_ADDRESS_MAX];
    struct buf errors = BUF_EMPTY;

    assert_int_equal(listener_open("test x", &place->address, LISTENER_GROUP, sockets, &errors), 1);
    assert_int_equal(mode_of(place->address.path), 0660);
    listener_close(&sockets[0]);
    buf_finish(&errors);
}

static void test_missing_directories_are_made(void **state)
{
    const struct place *place = *state;
    struct address address = {.is_unix = true};
    struct listener_socket socket;
    char directory[sizeof(address.path)];
    mode_t mask = umask(077);

    snprintf(address.path, sizeof(address.path), "%s/b/c/a.sock", place->directory);
    open_well(&address, &socket);
    umask(mask);
    listener_close(&socket);
    snprintf(directory, sizeof(directory), "%s/b/c", place->directory);
    assert_int_equal(mode_of(directory), 0755);
    assert_int_equal(rmdir(directory), 0);
    *strrchr(directory, '/') = '\0';
    assert_int_equal(mode_of(directory), 0755);
    assert_int_equal(rmdir(directory), 0);
}

static void test_the_second_on_one_path_is_refused(void **state)
{
    const struct place *place = *state;
    struct listener_socket socket;

    open_well(&place->address, &socket);
    expect_refusal(&place->address, "test x: is served by another process\n");
    assert_int_equal(connect_to(place->address.path), 0);
    listener_close(&socket);
}

static void test_the_lock_goes_with_the_listener(void **state)
{
    const struct place *place = *state;
    struct listener_socket socket;

    for (int i = 0; i < 3; i++) {
        open_well(&place->address, &socket);
        listener_close(&socket);
    }
}

static void test_a_stale_socket_is_replaced(void **state)
{
    const struct place *place = *state;
    struct listener_socket socket;

    close(bind_foreign(place->address.path, 5));
    assert_int_equal(connect_to(place->address.path), -ECONNREFUSED);
    open_well(&place->address, &socket);
    assert_int_equal(connect_to(place->address.path), 0);
    listener_close(&socket);
}

static void test_a_socket_that_is_served_is_not_replaced(void **state)
{
    const struct place *place = *state;
    int fd = bind_foreign(place->address.path, 5);

    expect_refusal(&place->address, "test x: is served by another process\n");
    assert_int_equal(connect_to(place->address.path), 0);
    close(fd);
    unlink(place->address.path);
}

/* guards: a busy server was treated as one that is gone */
static void test_a_full_queue_is_served(void **state)
{
    const struct place *place = *state;
    int fd = bind_foreign(place->address.path, 0);
    int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    strcpy(name.sun_path, place->address.path);
    assert_int_equal(connect(first, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(connect_to(place->address.path), -EAGAIN);
    expect_refusal(&place->address, "test x: is served by another process\n");
    close(first);
    close(fd);
    unlink(place->address.path);
}

static void test_a_file_is_not_replaced(void **state)
{
    const struct place *place = *state;

    close(open(place->address.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    expect_refusal(&place->address, "test x: exists and is not a socket\n");
    assert_int_equal(unlink(place->address.path), 0);
}

static void test_a_path_of_another_is_left_alone(void **state)
{
    const struct place *place = *state;
    struct listener_socket socket;
    int fd;

    open_well(&place->address, &socket);
    assert_int_equal(unlink(place->address.path), 0);
    fd = bind_foreign(place->address.path, 5);
    listener_close(&socket);
    assert_int_equal(connect_to(place->address.path), 0);
    close(fd);
    unlink(place->address.path);
}

static void test_the_longest_path_works(void **state)
{
    const struct place *place = *state;
    struct address address = {.is_unix = true};
    struct listener_socket socket;
    size_t length = strlen(place->directory);

    memset(address.path, 'x', sizeof(address.path) - 1);
    memcpy(address.path, place->directory, length);
    address.path[length] = '/';
    open_well(&address, &socket);
    assert_int_equal(connect_to(address.path), 0);
    listener_close(&socket);

    address.path[sizeof(address.path) - 2] = '~';
    open_well(&address, &socket);
    listener_close(&socket);
}

static void test_a_directory_that_cannot_be_made(void **state)
{
    const struct place *place = *state;
    struct address address = {.is_unix = true};
    char file[sizeof(address.path)];
    char expected[2 * sizeof(address.path)];

    snprintf(file, sizeof(file), "%s/file", place->directory);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    snprintf(address.path, sizeof(address.path), "%s/file/a.sock", place->directory);
    snprintf(expected, sizeof(expected), "test x: cannot lock %s.lock: not a directory\n",
             address.path);
    expect_refusal(&address, expected);
    unlink(file);
}

static void test_tcp(void **state)
{
    struct address any = {.host = "127.0.0.1", .port = 0};
    struct listener_socket socket;

    (void)state;
    open_well(&any, &socket);
    assert_string_equal(socket.address.host, "127.0.0.1");
    assert_int_not_equal(socket.address.port, 0);
    expect_refusal(&socket.address, "test x: address already in use\n");
    listener_close(&socket);
}

static void test_an_address_of_another_machine(void **state)
{
    struct address address = {.host = "192.0.2.1", .port = 0};

    (void)state;
    expect_refusal(&address, "test x: cannot assign requested address\n");
}

static void test_inherits_what_listens(void **state)
{
    struct address any = {.host = "127.0.0.1", .port = 0};
    struct listener_socket ours;
    struct listener_socket inherited;
    struct buf errors = BUF_EMPTY;
    int plain = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    open_well(&any, &ours);
    assert_int_equal(listener_inherit(ours.fd, &inherited, &errors), 0);
    assert_true(inherited.is_inherited);
    assert_int_equal(inherited.address.port, ours.address.port);
    listener_close(&inherited);

    assert_int_equal(listener_inherit(plain, &inherited, &errors), -EINVAL);
    assert_int_equal(listener_inherit(datagram, &inherited, &errors), -EINVAL);
    assert_non_null(strstr(errors.bytes, "is not a stream socket that listens\n"));
    buf_finish(&errors);
}

static void test_admits_ourselves(void **state)
{
    struct listener_socket socket = {.fd = -1, .group = (gid_t)-1};
    uid_t uid = (uid_t)-1;
    pid_t pid = 0;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(listener_admits(&socket, pair[0], &uid, &pid));
    assert_int_equal(uid, geteuid());
    assert_int_equal(pid, getpid());
    close(pair[0]);
    close(pair[1]);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(test_a_unix_socket_can_be_connected_to),
        IN_PLACE(test_the_admin_socket_is_for_its_group),
        IN_PLACE(test_missing_directories_are_made),
        IN_PLACE(test_the_second_on_one_path_is_refused),
        IN_PLACE(test_the_lock_goes_with_the_listener),
        IN_PLACE(test_a_stale_socket_is_replaced),
        IN_PLACE(test_a_socket_that_is_served_is_not_replaced),
        IN_PLACE(test_a_full_queue_is_served),
        IN_PLACE(test_a_file_is_not_replaced),
        IN_PLACE(test_a_path_of_another_is_left_alone),
        IN_PLACE(test_the_longest_path_works),
        IN_PLACE(test_a_directory_that_cannot_be_made),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_an_address_of_another_machine),
        cmocka_unit_test(test_inherits_what_listens),
        cmocka_unit_test(test_admits_ourselves),
    };

    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
