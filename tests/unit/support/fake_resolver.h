/* SPDX-License-Identifier: MIT */
/**
 * fake_resolver: decides what names mean. It takes the place of getaddrinfo(3) in the whole
 * program; names that it was not told of go to the real one.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_RESOLVER_H
#define VISITCOUNTD_TESTS_FAKE_RESOLVER_H

/** From now on `name` has these numeric addresses, in this order, NULL at the end. */
void fake_resolver_answer(const char *name, const char *const *addresses);

/** From now on looking `name` up fails with this EAI_ code. */
void fake_resolver_fail(const char *name, int error);

/** From now on looking `name` up hangs until fake_resolver_forget(). */
void fake_resolver_hang(const char *name);

/** Forgets the name; who hangs on it learns that there is no such name. */
void fake_resolver_forget(void);

/** Waits until `count` hang, and until nobody does. */
void fake_resolver_wait_for_hang(unsigned count);
void fake_resolver_wait(void);

#endif
