/* SPDX-License-Identifier: MIT */
#include "fake_resolver.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES_MAX 16

/* the one name that it knows; libh2o looks names up in threads of its own */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char known[256];
static const char *answers[ADDRESSES_MAX + 1];
static int failure;
static bool hangs;
static unsigned hanging;

typedef int resolve(const char *name, const char *service, const struct addrinfo *hints,
                    struct addrinfo **ret_found);

static resolve *real_resolver(void)
{
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    resolve *function;

    memcpy(&function, &symbol, sizeof(function));
    return function;
}

/*
 * Resolves each address with the real getaddrinfo(3), so that freeaddrinfo(3) can free the chain.
 */
static int chain(const char *service, const struct addrinfo *hints, struct addrinfo **ret_found)
{
    struct addrinfo **end = ret_found;
    struct addrinfo numeric = *hints;

    numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    for (const char **address = answers; *address != NULL; address++) {
        int error = real_resolver()(*address, service, &numeric, end);

        if (error != 0) {
            return error;
        }
        end = &(*end)->ai_next;
    }
    return 0;
}

static int answer(const char *service, const struct addrinfo *hints, struct addrinfo **ret_found)
{
    hanging++;
    pthread_cond_broadcast(&changed);
    while (hangs) {
        pthread_cond_wait(&changed, &mutex);
    }
    hanging--;
    pthread_cond_broadcast(&changed);
    if (*known == '\0') {
        return EAI_NONAME;
    }
    return failure != 0 ? failure : chain(service, hints, ret_found);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_found)
{
    bool is_known;
    int error = 0;

    pthread_mutex_lock(&mutex);
    is_known = name != NULL && *name != '\0' && strcmp(name, known) == 0;
    if (is_known) {
        error = answer(service, hints, ret_found);
    }
    pthread_mutex_unlock(&mutex);
    return is_known ? error : real_resolver()(name, service, hints, ret_found);
}

static void know(const char *name, int error, bool hang)
{
    snprintf(known, sizeof(known), "%s", name);
    failure = error;
    hangs = hang;
    pthread_cond_broadcast(&changed);
}

void fake_resolver_answer(const char *name, const char *const *addresses)
{
    size_t count = 0;

    pthread_mutex_lock(&mutex);
    while (addresses[count] != NULL && count < ADDRESSES_MAX) {
        answers[count] = addresses[count];
        count++;
    }
    answers[count] = NULL;
    know(name, 0, false);
    pthread_mutex_unlock(&mutex);
}

void fake_resolver_fail(const char *name, int error)
{
    pthread_mutex_lock(&mutex);
    know(name, error, false);
    pthread_mutex_unlock(&mutex);
}

void fake_resolver_hang(const char *name)
{
    pthread_mutex_lock(&mutex);
    know(name, EAI_NONAME, true);
    pthread_mutex_unlock(&mutex);
}

void fake_resolver_forget(void)
{
    pthread_mutex_lock(&mutex);
    know("", 0, false);
    pthread_mutex_unlock(&mutex);
}

void fake_resolver_wait_for_hang(unsigned count)
{
    pthread_mutex_lock(&mutex);
    while (hanging != count) {
        pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

void fake_resolver_wait(void)
{
    fake_resolver_wait_for_hang(0);
}
