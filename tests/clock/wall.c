/* SPDX-License-Identifier: MIT */
/*
 * wall.so: a wall clock that a test can set, for one process (LD_PRELOAD).
 *
 * TEST_WALL_CLOCK names a file with one int64_t in the machine's byte order. It says by how many
 * milliseconds the wall clock of this process is ahead of the real one. A negative number means
 * behind. The file is mapped, so a change takes effect at once, also while the process runs. The
 * monotonic clock does not change.
 *
 * tests/e2e/harness/wall_clock.py writes the file and makes the environment.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MS_PER_S  1000
#define NS_PER_MS 1000000
#define NS_PER_S  1000000000

static const int64_t no_offset;
static const volatile int64_t *ahead_ms = &no_offset;
static int (*real_clock_gettime)(clockid_t id, struct timespec *ret_time);

static void find_real(void)
{
    if (real_clock_gettime == NULL) {
        *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    }
}

/* before main(); a call of another constructor before it gets the real time */
__attribute__((constructor)) static void map_offset(void)
{
    const char *path = getenv("TEST_WALL_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = fd >= 0 ? mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

    find_real();
    if (mapped == MAP_FAILED) {
        fprintf(stderr, "wall.so: TEST_WALL_CLOCK=%s cannot be mapped\n", path != NULL ? path : "");
        _exit(127);
    }
    close(fd);
    ahead_ms = mapped;
}

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    int rc;

    find_real();
    rc = real_clock_gettime(id, ret_time);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ahead = *ahead_ms;
        int64_t ns = ret_time->tv_nsec + ahead % MS_PER_S * NS_PER_MS;

        ret_time->tv_sec += ahead / MS_PER_S + (ns < 0 ? -1 : ns / NS_PER_S);
        ret_time->tv_nsec = ns < 0 ? ns + NS_PER_S : ns % NS_PER_S;
    }
    return rc;
}

int gettimeofday(struct timeval *ret_time, void *zone)
{
    struct timespec now;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0) {
        ret_time->tv_sec = now.tv_sec;
        ret_time->tv_usec = now.tv_nsec / 1000;
    }
    return 0;
}

time_t time(time_t *ret_time)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time != NULL) {
        *ret_time = now.tv_sec;
    }
    return now.tv_sec;
}
