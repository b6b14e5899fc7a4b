/* SPDX-License-Identifier: MIT */
#include "store/redis_greeting.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* an error reply in words, or NULL */
static const char *error_of(struct redis_greeting *greeting, const char *command,
                            const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        return NULL;
    }
    snprintf(greeting->error, sizeof(greeting->error), "%s: %s", command, reply->str);
    return greeting->error;
}

/* an error of a command that is only a convenience: an access list may forbid it */
static const char *error_unless_forbidden(struct redis_greeting *greeting, const char *command,
                                          const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR && (strncmp(reply->str, "NOPERM", 6) == 0 ||
                                             strncasecmp(reply->str, "ERR unknown", 11) == 0)) {
        return NULL;
    }
    return error_of(greeting, command, reply);
}

static bool build_auth(const struct redis_greeting *greeting, struct redis_command *command)
{
    if (*greeting->options->password == '\0') {
        return false;
    }
    redis_command_begin(command, "AUTH");
    if (*greeting->options->username != '\0') {
        redis_command_add_text(command, greeting->options->username);
    }
    redis_command_add_text(command, greeting->options->password);
    return true;
}

static const char *check_auth(struct redis_greeting *greeting, const redisReply *reply)
{
    return error_of(greeting, "AUTH", reply);
}

static bool build_select(const struct redis_greeting *greeting, struct redis_command *command)
{
    redis_command_begin(command, "SELECT");
    redis_command_add_text(command, greeting->db);
    return greeting->options->db != 0;
}

static const char *check_select(struct redis_greeting *greeting, const redisReply *reply)
{
    return error_of(greeting, "SELECT", reply);
}

static bool build_name(const struct redis_greeting *greeting, struct redis_command *command)
{
    redis_command_begin(command, "CLIENT");
    redis_command_add_text(command, "SETNAME");
    redis_command_add_text(command, greeting->options->client_name);
    return true;
}

static const char *check_name(struct redis_greeting *greeting, const redisReply *reply)
{
    return error_unless_forbidden(greeting, "CLIENT SETNAME", reply);
}

static bool build_info(const struct redis_greeting *greeting, struct redis_command *command)
{
    (void)greeting;
    redis_command_begin(command, "INFO");
    redis_command_add_text(command, "server");
    return true;
}

static const char *check_info(struct redis_greeting *greeting, const redisReply *reply)
{
    static const char field[] = "redis_version:";
    const char *found;

    if (reply->type == REDIS_REPLY_STRING && (found = strstr(reply->str, field)) != NULL) {
        found += sizeof(field) - 1;
        snprintf(greeting->health->version, sizeof(greeting->health->version), "%.*s",
                 (int)strcspn(found, "\r\n"), found);
    }
    return error_unless_forbidden(greeting, "INFO", reply);
}

static bool build_script(const struct redis_greeting *greeting, struct redis_command *command)
{
    if (greeting->options->script == NULL) {
        return false;
    }
    redis_command_begin(command, "SCRIPT");
    redis_command_add_text(command, "LOAD");
    redis_command_add_text(command, greeting->options->script);
    return true;
}

static const char *check_script(struct redis_greeting *greeting, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING && reply->len == REDIS_SHA_LENGTH) {
        memcpy(greeting->sha, reply->str, REDIS_SHA_LENGTH + 1);
        return NULL;
    }
    error_of(greeting, "SCRIPT LOAD", reply);
    return reply->type == REDIS_REPLY_ERROR ? greeting->error : "SCRIPT LOAD: no digest in reply";
}

static bool build_role(const struct redis_greeting *greeting, struct redis_command *command)
{
    (void)greeting;
    redis_command_begin(command, "ROLE");
    return true;
}

static const char *check_role(struct redis_greeting *greeting, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        error_of(greeting, "ROLE", reply);
        return reply->type == REDIS_REPLY_ERROR ? greeting->error : "ROLE: unexpected reply";
    }
    snprintf(greeting->health->role, sizeof(greeting->health->role), "%s", reply->element[0]->str);
    if (strcmp(greeting->health->role, "master") != 0) {
        return "the server is a replica: it takes no writes";
    }
    return NULL;
}

static bool build_ping(const struct redis_greeting *greeting, struct redis_command *command)
{
    (void)greeting;
    redis_command_begin(command, "PING");
    return true;
}

static const char *check_ping(struct redis_greeting *greeting, const redisReply *reply)
{
    return error_of(greeting, "PING", reply);
}

/* `build` writes the command, if any, `check` says what is wrong */
static const struct {
    bool (*build)(const struct redis_greeting *greeting, struct redis_command *command);
    const char *(*check)(struct redis_greeting *greeting, const redisReply *reply);
} steps[REDIS_STEPS] = {
    [REDIS_AUTH] = {build_auth, check_auth},       [REDIS_SELECT] = {build_select, check_select},
    [REDIS_NAME] = {build_name, check_name},       [REDIS_INFO] = {build_info, check_info},
    [REDIS_SCRIPT] = {build_script, check_script}, [REDIS_ROLE] = {build_role, check_role},
    [REDIS_PING] = {build_ping, check_ping},
};

void redis_greeting_init(struct redis_greeting *greeting, const struct redis_link_options *options,
                         struct store_health *health)
{
    greeting->options = options;
    greeting->health = health;
    snprintf(greeting->db, sizeof(greeting->db), "%llu", (unsigned long long)options->db);
}

bool redis_greeting_build(const struct redis_greeting *greeting, enum redis_step step,
                          struct redis_command *command)
{
    return steps[step].build(greeting, command);
}

const char *redis_greeting_check(struct redis_greeting *greeting, enum redis_step step,
                                 const redisReply *reply)
{
    return steps[step].check(greeting, reply);
}
