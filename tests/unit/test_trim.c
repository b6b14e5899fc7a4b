/* SPDX-License-Identifier: MIT */
/* Memory comes back after a peak, and is looked at only once a minute. */
#include "daemon/trim.h"

#include "support/fake_clock.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK_BYTES 1000
#define BLOCKS      (32 << 10) /* 32 MiB */

/* every so many blocks one stays, so that nothing else gives the others back */
#define KEPT_EVERY 64

#define STEP_MS 1000

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*s %llu", &pages), 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* blocks that stay, and between them memory that was freed */
static void make_peak(char **ret_kept)
{
    static char *blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, BLOCK_BYTES);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (i % KEPT_EVERY == 0) {
            ret_kept[i / KEPT_EVERY] = blocks[i];
        } else {
            free(blocks[i]);
        }
    }
}

static void test_memory_comes_back_after_a_peak(void **state)
{
    char *kept[BLOCKS / KEPT_EVERY];
    struct trim trim;
    struct loop *loop;
    uint64_t before;

    (void)state;
    if (mallinfo2().uordblks == 0) {
        skip(); /* a sanitizer's malloc(3), which has no such figures */
    }
    fake_clock_stop(1000000, 1000000);
    loop = loop_create();
    trim_init(&trim, loop);
    make_peak(kept);
    before = resident_bytes();
    loop_advance(loop, TRIM_INTERVAL_MS - STEP_MS, STEP_MS);
    assert_true(resident_bytes() > before - (1 << 20));
    loop_advance(loop, 2 * STEP_MS, STEP_MS);
    assert_true(resident_bytes() < before - (16 << 20));
    for (size_t i = 0; i < BLOCKS / KEPT_EVERY; i++) {
        assert_int_equal(kept[i][BLOCK_BYTES - 1], 1);
        free(kept[i]);
    }
    trim_finish(&trim);
    loop_destroy(loop);
    fake_clock_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory_comes_back_after_a_peak)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
