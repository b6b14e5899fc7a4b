/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_error.h"

#include <stdbool.h>
#include <string.h>

/* first words of errors that affect every site */
static const char *const server_words[] = {
    "BUSY",     "CLUSTERDOWN", "DENIED",     "LOADING",    "MASTERDOWN",
    "MISCONF",  "NOAUTH",      "NOREPLICAS", "NOSCRIPT",   "OOM",
    "READONLY", "REDIRECT",    "TRYAGAIN",   "UNKILLABLE", "WRONGPASS",
};

/* starts of other such errors; the first ones are from proxies and hosted servers */
static const char *const server_texts[] = {
    "ERR max ",
    "ERR unknown command",
    "ERR Error compiling script",
    "ERR operation not permitted",
    "ERR only (P)SUBSCRIBE",
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* whether `word` is the first word of the text */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    return strncmp(text, word, length) == 0 && (text[length] == '\0' || text[length] == ' ');
}

/* skips a place such as "@user_script: 43: -"; the text must start with one */
static const char *skip_place(const char *text)
{
    const char *at = text + strlen("@user_script");

    at += strspn(at, ": 0123456789");
    return *at == '-' ? at + 1 : at;
}

/*
 * Returns the inner error. Before version 7, Redis wraps the error of a command in a script: "ERR
 * Error running script (call to f_…): @user_script:43: @user_script: 43: -MISCONF …".
 */
static const char *unwrap(const char *error)
{
    const char *at = error;

    if (!starts_with(error, "ERR Error running script")) {
        return error;
    }
    while ((at = strstr(at, "@user_script")) != NULL) {
        at = skip_place(at);
        error = *at != '\0' ? at : error;
    }
    return error;
}

/* whether a forbidden command, which affects all sites; keys and channels belong to one site */
static bool is_server_permission(const char *error)
{
    bool is_permission = has_word(error, "NOPERM") ||
                         strstr(error, "The user executing the script can't run") != NULL;

    return is_permission && strstr(error, "command") != NULL && strstr(error, "key") == NULL &&
           strstr(error, "channel") == NULL;
}

bool redis_error_is_full(const char *error)
{
    return has_word(unwrap(error), "OOM");
}

enum store_scope redis_error_scope(const char *error)
{
    error = unwrap(error);
    for (size_t i = 0; i < sizeof(server_words) / sizeof(*server_words); i++) {
        if (has_word(error, server_words[i])) {
            return STORE_SCOPE_SERVER;
        }
    }
    for (size_t i = 0; i < sizeof(server_texts) / sizeof(*server_texts); i++) {
        if (starts_with(error, server_texts[i])) {
            return STORE_SCOPE_SERVER;
        }
    }
    return is_server_permission(error) ? STORE_SCOPE_SERVER : STORE_SCOPE_SITE;
}
