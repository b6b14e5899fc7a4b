/* SPDX-License-Identifier: MIT */
/**
 * require: assertions that stay on in release builds, because a wrong number is worse than a
 * restart. A failed one writes its place and its expression to standard error, and aborts the
 * process.
 *
 * Only for errors of this program. A client, a store's reply, a journal or the configuration must
 * not be able to make one fail. The expression must have no side effects.
 */
#ifndef VISITCOUNTD_BASE_REQUIRE_H
#define VISITCOUNTD_BASE_REQUIRE_H

#define require(expression) \
    (__builtin_expect(!(expression), 0) ? require_failed(__FILE__, __LINE__, #expression) : (void)0)

/** Called by the macro. */
void require_failed(const char *file, int line, const char *expression)
    __attribute__((noreturn, cold));

#endif
