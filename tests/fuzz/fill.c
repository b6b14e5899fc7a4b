/* SPDX-License-Identifier: MIT */
#include "fill.h"

#include <malloc.h>
#include <stddef.h>
#include <string.h>

/* more than the deepest call of a request needs; about 20 KB */
#define STACK_BYTES (32 * 1024)

struct st_h2o_mem_pool_t;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_h2o_mem_alloc_pool(struct st_h2o_mem_pool_t *pool, size_t size);
void *__wrap_h2o_mem_alloc_pool(struct st_h2o_mem_pool_t *pool, size_t size);
void *__real_h2o_mem_alloc_shared(struct st_h2o_mem_pool_t *pool, size_t size,
                                  void (*dispose)(void *data));
void *__wrap_h2o_mem_alloc_shared(struct st_h2o_mem_pool_t *pool, size_t size,
                                  void (*dispose)(void *data));

static uint8_t filling;

static void *fill(void *memory, size_t size)
{
    return memory != NULL ? memset(memory, filling, size) : NULL;
}

void *__wrap_malloc(size_t size)
{
    return fill(__real_malloc(size), size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    size_t before = memory != NULL ? malloc_usable_size(memory) : 0;
    char *grown = __real_realloc(memory, size);

    if (grown != NULL && size > before) {
        fill(grown + before, size - before);
    }
    return grown;
}

void *__wrap_h2o_mem_alloc_pool(struct st_h2o_mem_pool_t *pool, size_t size)
{
    return fill(__real_h2o_mem_alloc_pool(pool, size), size);
}

void *__wrap_h2o_mem_alloc_shared(struct st_h2o_mem_pool_t *pool, size_t size,
                                  void (*dispose)(void *data))
{
    return fill(__real_h2o_mem_alloc_shared(pool, size, dispose), size);
}

__attribute__((noinline)) void fill_stack(void)
{
    uint8_t bytes[STACK_BYTES];

    memset(bytes, filling, sizeof(bytes));
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* the compiler may not leave memset() out */
}

void fill_with(uint8_t byte)
{
    filling = byte;
    fill_stack();
}
