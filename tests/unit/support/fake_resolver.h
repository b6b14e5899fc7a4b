/* SPDX-License-Identifier: MIT */
/**
 * fake_resolver: decides what one name resolves to. It replaces getaddrinfo(3) in the whole
 * program. All other names go to the real one.
 */
#ifndef VISITCOUNTD_TESTS_FAKE_RESOLVER_H
#define VISITCOUNTD_TESTS_FAKE_RESOLVER_H

/** From now on `name` resolves to these numeric addresses, in this order. NULL ends them. */
void fake_resolver_answer(const char *name, const char *const *addresses);

/** From now on look-ups of `name` fail with this EAI_ code. */
void fake_resolver_fail(const char *name, int error);

/** From now on look-ups of `name` hang until fake_resolver_forget(). */
void fake_resolver_hang(const char *name);

/** Forgets the name. Look-ups that hang now fail: there is no such name. */
void fake_resolver_forget(void);

/** Waits until `count` look-ups hang. fake_resolver_wait() waits until none hangs. */
void fake_resolver_wait_for_hang(unsigned count);
void fake_resolver_wait(void);

#endif
