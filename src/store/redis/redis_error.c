/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_error.h"

#include <stdbool.h>
#include <string.h>

/* first words of errors that every site gets */
static const char *const server_words[] = {
    "BUSY",     "CLUSTERDOWN", "DENIED",     "LOADING",    "MASTERDOWN",
    "MISCONF",  "NOAUTH",      "NOREPLICAS", "NOSCRIPT",   "OOM",
    "READONLY", "REDIRECT",    "TRYAGAIN",   "UNKILLABLE", "WRONGPASS",
};

/* how other errors of that kind begin; the first ones are those of proxies and hosted servers */
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

/* whether the first word of the text is this one */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    return strncmp(text, word, length) == 0 && (text[length] == '\0' || text[length] == ' ');
}

/* behind "@user_script: 43: -", or `text` where that is not it */
static const char *skip_place(const char *text)
{
    const char *at = text + strlen("@user_script");

    at += strspn(at, ": 0123456789");
    return *at == '-' ? at + 1 : at;
}

/*
 * Before version 7, a command's error inside of a script comes as "ERR Error running script (call
 * to f_…): @user_script:43: @user_script: 43: -MISCONF …".
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

/* a user who may not run a command may run it for no site; keys and channels are a site's */
static bool is_server_permission(const char *error)
{
    bool is_permission = has_word(error, "NOPERM") ||
                         strstr(error, "The user executing the script can't run") != NULL;

    return is_permission && strstr(error, "command") != NULL && strstr(error, "key") == NULL &&
           strstr(error, "channel") == NULL;
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
