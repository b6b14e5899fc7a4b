/* SPDX-License-Identifier: MIT */
#include "store/redis/redis_handshake.h"

#include <hiredis/hiredis.h>
#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const names[REDIS_STEPS] = {
    [REDIS_AUTH] = "AUTH",
    [REDIS_SELECT] = "SELECT",
    [REDIS_NAME] = "CLIENT SETNAME",
    [REDIS_INFO] = "INFO",
    [REDIS_SCRIPT] = "SCRIPT LOAD",
    [REDIS_ROLE] = "ROLE",
    [REDIS_REPLICATION] = "INFO replication",
    [REDIS_PING] = "PING",
};

static const char sentinel[] =
    "this is a Sentinel, which keeps no data: set redis.host and redis.port to the master that it "
    "watches, or to a name or proxy that follows the master";

/* --- errors --- */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_error(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR;
}

/*
 * Puts an error into words. Leaves out the arguments that Redis repeats in "unknown command": they
 * may contain a password or a script.
 */
static const char *tell_error(struct redis_handshake *handshake, enum redis_step step,
                              const redisReply *reply)
{
    const char *arguments = strstr(reply->str, ", with args beginning with:");
    int length = arguments != NULL ? (int)(arguments - reply->str) : (int)reply->len;

    snprintf(handshake->error, sizeof(handshake->error), "%s: %.*s", names[step], length,
             reply->str);
    return handshake->error;
}

static const char *error_of(struct redis_handshake *handshake, enum redis_step step,
                            const redisReply *reply)
{
    return is_error(reply) ? tell_error(handshake, step, reply) : NULL;
}

/* whether the server cannot serve now, or rejects the whole connection */
static bool is_refusal(const redisReply *reply)
{
    static const char *const prefixes[] = {"LOADING",
                                           "NOAUTH",
                                           "WRONGPASS",
                                           "BUSY ",
                                           "MASTERDOWN",
                                           "DENIED",
                                           "ERR max number of clients",
                                           "CLUSTERDOWN"};

    for (size_t i = 0; is_error(reply) && i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (begins_with(reply->str, prefixes[i])) {
            return true;
        }
    }
    return false;
}

/*
 * Notes an error that is ignored, because it explains why the server may close the connection next.
 * NOAUTH is not overwritten by later errors. Redis sends it first to a client that has not
 * authenticated. Then it closes the connection at the script, because it accepts no argument over
 * 16 KiB from such a client.
 */
static void ignore_error(struct redis_handshake *handshake, enum redis_step step,
                         const redisReply *reply)
{
    if (is_error(reply) && strstr(handshake->ignored, "NOAUTH") == NULL) {
        snprintf(handshake->ignored, sizeof(handshake->ignored), "%s",
                 tell_error(handshake, step, reply));
    }
}

bool redis_handshake_is_denied(const char *error)
{
    return strstr(error, "WRONGPASS") != NULL || strstr(error, "NOAUTH") != NULL ||
           begins_with(error, "AUTH: ERR invalid password");
}

/* reads the value of a line "name:value" in an INFO reply; returns false if there is none */
static bool read_line(const redisReply *reply, const char *name, char *ret_value, size_t size)
{
    const char *found = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, name) : NULL;

    if (found == NULL) {
        return false;
    }
    found += strlen(name);
    snprintf(ret_value, size, "%.*s", (int)strcspn(found, "\r\n"), found);
    return true;
}

/* --- the steps --- */

/* a user without a password needs none (nopass): Redis accepts any password */
static bool build_auth(const struct redis_handshake *handshake, struct redis_command *command)
{
    if (*handshake->options->password == '\0' && *handshake->options->username == '\0') {
        return false;
    }
    redis_command_begin(command, "AUTH");
    if (*handshake->options->username != '\0') {
        redis_command_add_text(command, handshake->options->username);
    }
    redis_command_add_text(command, handshake->options->password);
    return true;
}

static const char *check_auth(struct redis_handshake *handshake, const redisReply *reply)
{
    return error_of(handshake, REDIS_AUTH, reply);
}

static bool build_select(const struct redis_handshake *handshake, struct redis_command *command)
{
    redis_command_begin(command, "SELECT");
    redis_command_add_text(command, handshake->db);
    return handshake->options->db != 0;
}

static const char *check_select(struct redis_handshake *handshake, const redisReply *reply)
{
    return error_of(handshake, REDIS_SELECT, reply);
}

static bool build_name(const struct redis_handshake *handshake, struct redis_command *command)
{
    redis_command_begin(command, "CLIENT");
    redis_command_add_text(command, "SETNAME");
    redis_command_add_text(command, handshake->options->client_name);
    return true;
}

static const char *check_name(struct redis_handshake *handshake, const redisReply *reply)
{
    ignore_error(handshake, REDIS_NAME, reply);
    return NULL;
}

static bool build_info(const struct redis_handshake *handshake, struct redis_command *command)
{
    (void)handshake;
    redis_command_begin(command, "INFO");
    redis_command_add_text(command, "server");
    return true;
}

static const char *check_info(struct redis_handshake *handshake, const redisReply *reply)
{
    char mode[16];

    read_line(reply, "redis_version:", handshake->health->version,
              sizeof(handshake->health->version));
    if (read_line(reply, "redis_mode:", mode, sizeof(mode)) && strcmp(mode, "sentinel") == 0) {
        return sentinel;
    }
    ignore_error(handshake, REDIS_INFO, reply);
    return NULL;
}

static bool build_script(const struct redis_handshake *handshake, struct redis_command *command)
{
    if (handshake->options->script == NULL) {
        return false;
    }
    redis_command_begin(command, "SCRIPT");
    redis_command_add_text(command, "LOAD");
    redis_command_add_text(command, handshake->options->script);
    return true;
}

/*
 * Computes the SHA-1 for EVALSHA if SCRIPT LOAD did not return it. Only then, because the first
 * digest makes OpenSSL load all its algorithms. That fragments the heap and slows the allocations
 * of every visit.
 */
static void digest_script(const char *script, char ret_sha[REDIS_SHA_LENGTH + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    if (EVP_Digest(script, strlen(script), digest, &length, EVP_sha1(), NULL) != 1) {
        return; /* this OpenSSL has no SHA-1: EVALSHA fails and EVAL is used */
    }
    for (unsigned i = 0; i < length && i < REDIS_SHA_LENGTH / 2; i++) {
        snprintf(ret_sha + (size_t)2 * i, 3, "%02x", digest[i]);
    }
}

static const char *check_script(struct redis_handshake *handshake, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING && reply->len == REDIS_SHA_LENGTH) {
        memcpy(handshake->sha, reply->str, REDIS_SHA_LENGTH + 1);
        return NULL;
    }
    if (is_refusal(reply)) {
        return tell_error(handshake, REDIS_SCRIPT, reply);
    }
    if (!is_error(reply)) {
        return "SCRIPT LOAD: no digest in reply";
    }
    ignore_error(handshake, REDIS_SCRIPT, reply);
    digest_script(handshake->options->script, handshake->sha);
    return NULL;
}

static bool build_role(const struct redis_handshake *handshake, struct redis_command *command)
{
    (void)handshake;
    redis_command_begin(command, "ROLE");
    return true;
}

static const char *parse_role(struct redis_handshake *handshake, const char *role)
{
    snprintf(handshake->health->role, sizeof(handshake->health->role), "%s", role);
    if (strcmp(role, "sentinel") == 0) {
        return sentinel;
    }
    return strcmp(role, "master") != 0 ? "the server is a replica: it takes no writes" : NULL;
}

static const char *check_role(struct redis_handshake *handshake, const redisReply *reply)
{
    if (is_error(reply)) {
        tell_error(handshake, REDIS_ROLE, reply);
        if (!is_refusal(reply)) {
            handshake->role_source = REDIS_BY_INFO;
        }
        return is_refusal(reply) ? handshake->error : NULL;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        return "ROLE: unexpected reply";
    }
    /* a subscriber has no batches that wait for replicas, and its heartbeat reads no offsets */
    if (handshake->options->on_message != NULL ||
        !redis_replicas_parse_role(handshake->replicas, handshake->asked_at_ms, reply)) {
        redis_replicas_clear(handshake->replicas);
    }
    return parse_role(handshake, reply->element[0]->str);
}

static bool build_replication(const struct redis_handshake *handshake,
                              struct redis_command *command)
{
    (void)handshake;
    redis_command_begin(command, "INFO");
    redis_command_add_text(command, "replication");
    return true;
}

static const char *check_replication(struct redis_handshake *handshake, const redisReply *reply)
{
    char role[sizeof(handshake->health->role)];

    if (is_refusal(reply)) {
        return tell_error(handshake, REDIS_REPLICATION, reply);
    }
    if (!read_line(reply, "\nrole:", role, sizeof(role))) {
        handshake->role_source = REDIS_BY_NOBODY;
        handshake->health->role[0] = '\0';
        redis_replicas_clear(handshake->replicas);
        return NULL;
    }
    if (handshake->options->on_message != NULL ||
        !redis_replicas_parse_info(handshake->replicas, handshake->asked_at_ms, reply->str)) {
        redis_replicas_clear(handshake->replicas);
    }
    return parse_role(handshake, role);
}

static bool build_ping(const struct redis_handshake *handshake, struct redis_command *command)
{
    (void)handshake;
    redis_command_begin(command, "PING");
    return true;
}

/* any reply proves that the server is alive */
static const char *check_ping(struct redis_handshake *handshake, const redisReply *reply)
{
    bool matters = handshake->options->on_message != NULL || is_refusal(reply);

    return matters ? error_of(handshake, REDIS_PING, reply) : NULL;
}

/* `build` writes the command, if any; `check` returns the error in its reply, or NULL */
static const struct {
    bool (*build)(const struct redis_handshake *handshake, struct redis_command *command);
    const char *(*check)(struct redis_handshake *handshake, const redisReply *reply);
} steps[REDIS_STEPS] = {
    [REDIS_AUTH] = {build_auth, check_auth},
    [REDIS_SELECT] = {build_select, check_select},
    [REDIS_NAME] = {build_name, check_name},
    [REDIS_INFO] = {build_info, check_info},
    [REDIS_SCRIPT] = {build_script, check_script},
    [REDIS_ROLE] = {build_role, check_role},
    [REDIS_REPLICATION] = {build_replication, check_replication},
    [REDIS_PING] = {build_ping, check_ping},
};

/* --- the handshake as a whole --- */

void redis_handshake_init(struct redis_handshake *handshake,
                          const struct redis_link_options *options, struct store_health *health,
                          struct redis_replicas *replicas)
{
    handshake->options = options;
    handshake->health = health;
    handshake->replicas = replicas;
    snprintf(handshake->db, sizeof(handshake->db), "%llu", (unsigned long long)options->db);
}

void redis_handshake_begin(struct redis_handshake *handshake)
{
    handshake->role_source = REDIS_BY_ROLE;
    handshake->ignored[0] = '\0';
}

const char *redis_handshake_name(enum redis_step step)
{
    return names[step];
}

bool redis_handshake_build(const struct redis_handshake *handshake, enum redis_step step,
                           struct redis_command *command)
{
    return steps[step].build(handshake, command);
}

const char *redis_handshake_check(struct redis_handshake *handshake, enum redis_step step,
                                  uint64_t asked_at_ms, const redisReply *reply)
{
    handshake->asked_at_ms = asked_at_ms;
    return steps[step].check(handshake, reply);
}
