/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "config/loader.h"

#include "config/redis_url.h"
#include "base/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX        "VISITCOUNTD_"
#define PREFIX_LENGTH (sizeof(PREFIX) - 1)

/* names that other programs and images also use */
static const struct {
    const char *name;
    enum config_option option;
    bool is_file;
} traditional_names[] = {
    {"REDIS_HOST", CONFIG_redis_host, false},
    {"REDIS_PORT", CONFIG_redis_port, false},
    {"REDIS_USERNAME", CONFIG_redis_username, false},
    {"REDIS_PASSWORD", CONFIG_redis_password, false},
    {"REDIS_PASSWORD_FILE", CONFIG_redis_password, true},
    {"REDIS_DB", CONFIG_redis_db, false},
};

/* both names of the same option, the stronger first */
static const char *const redis_port_names[] = {PREFIX "REDIS_PORT", "REDIS_PORT"};

/** Like getenv(3), but also returns NULL for an empty value. */
static const char *look_up(const struct loader *loader, const char *name)
{
    size_t length = strlen(name);

    for (char **at = loader->request->environment; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=') {
            return (*at)[length + 1] != '\0' ? *at + length + 1 : NULL;
        }
    }
    return NULL;
}

/** Whether `value` has the form that Kubernetes sets for a service: "tcp://10.0.0.1:6379". */
static bool parse_service(const char *value, struct address *ret_address)
{
    return strncmp(value, "tcp://", 6) == 0 && address_parse(value + 6, ret_address) == 0 &&
           !ret_address->is_unix;
}

void loader_load_kubernetes(struct loader *loader)
{
    for (size_t i = 0; i < sizeof(redis_port_names) / sizeof(redis_port_names[0]); i++) {
        const char *value = look_up(loader, redis_port_names[i]);
        struct address address;
        char port[sizeof("65535")];

        if (value != NULL && parse_service(value, &address)) {
            snprintf(port, sizeof(port), "%u", address.port);
            loader_set_text(loader,
                            (struct setting){.layer = LAYER_KUBERNETES,
                                             .option = CONFIG_redis_port,
                                             .source = redis_port_names[i]},
                            port);
            return;
        }
    }
}

void loader_load_credentials(struct loader *loader)
{
    const char *directory = look_up(loader, "CREDENTIALS_DIRECTORY");

    for (int option = 0; directory != NULL && option < CONFIG_OPTION_COUNT; option++) {
        const struct option_row *row = &option_rows[option];
        struct buf path = BUF_EMPTY;
        struct buf source = BUF_EMPTY;

        if ((row->flags & SECRET) == 0) {
            continue;
        }
        buf_printf(&path, "%s/%s", directory, row->path);
        buf_printf(&source, "credential %s", row->path);
        if (access(path.bytes, F_OK) == 0 ||
            loader_had_from_file(loader, (enum config_option)option, path.bytes)) {
            loader_set_text(loader,
                            (struct setting){.layer = LAYER_CREDENTIAL,
                                             .option = (enum config_option)option,
                                             .is_file = true,
                                             .source = source.bytes},
                            path.bytes);
        }
        buf_finish(&path);
        buf_finish(&source);
    }
}

/** Applies the environment variable that `setting->source` names, if it is set. */
static void set_variable(struct loader *loader, const struct setting *setting)
{
    const char *value = look_up(loader, setting->source);
    struct address address;

    if (value == NULL || (setting->option == CONFIG_redis_port && parse_service(value, &address))) {
        return;
    }
    loader_set_text(loader, *setting, value);
}

static void set_from_url(struct loader *loader)
{
    static const char name[] = "REDIS_URL";
    const char *value = look_up(loader, name);
    struct redis_url url;
    const char *problem;

    if (value == NULL) {
        return;
    }
    problem = redis_url_parse(value, &url);
    if (problem != NULL) {
        /* does not quote the URL, which may have a password */
        loader_error(loader, name, NULL, "%s; expected " REDIS_URL_FORM, problem);
    }
    for (size_t i = 0; problem == NULL && i < REDIS_URL_PARTS; i++) {
        if (url.parts[i].text != NULL) {
            loader_set_text(loader,
                            (struct setting){.layer = LAYER_TRADITIONAL,
                                             .option = url.parts[i].option,
                                             .source = name,
                                             .input = {.is_secret = true}},
                            url.parts[i].text);
        }
    }
    redis_url_finish(&url);
}

void loader_load_traditional(struct loader *loader)
{
    set_from_url(loader);
    for (size_t i = 0; i < sizeof(traditional_names) / sizeof(traditional_names[0]); i++) {
        set_variable(loader, &(struct setting){.layer = LAYER_TRADITIONAL,
                                               .option = traditional_names[i].option,
                                               .is_file = traditional_names[i].is_file,
                                               .source = traditional_names[i].name});
    }
}

/** Whether `text` equals `word`, or begins with it and an underscore. */
static bool begins_with_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    return strncmp(text, word, length) == 0 && (text[length] == '\0' || text[length] == '_');
}

/** Whether `text` begins with a port and a protocol: "8080_TCP", "8080_TCP_ADDR". */
static bool is_port_and_protocol(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    text += digits;
    return digits != 0 && (begins_with_word(text, "_TCP") || begins_with_word(text, "_UDP") ||
                           begins_with_word(text, "_SCTP"));
}

/**
 * Whether Kubernetes sets this variable for a service "visitcountd" or "visitcountd-…". If it
 * counted as a misspelt option, no pod could start in the namespace of such a service.
 */
static bool is_service_variable(const char *name, const char *value)
{
    const char *service = strstr(name, "_SERVICE_");
    const char *port = strstr(name, "_PORT_");
    size_t length = strlen(name);

    if (service != NULL &&
        (strcmp(service, "_SERVICE_HOST") == 0 || begins_with_word(service, "_SERVICE_PORT"))) {
        return true;
    }
    if (port != NULL && is_port_and_protocol(port + 6)) {
        return true;
    }
    return length > 5 && strcmp(name + length - 5, "_PORT") == 0 && strstr(value, "://") != NULL;
}

/** Whether `name` is the name of an option. Offers all names, without prefix, as suggestions. */
static bool is_known(const char *name, struct suggestion *suggestion)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        for (int is_file = 0; is_file <= ((row->flags & SECRET) != 0); is_file++) {
            char known[OPTION_NAME_MAX];

            option_environment_name(row, is_file != 0, known);
            if (strcmp(name, known) == 0) {
                return true;
            }
            suggestion_offer(suggestion, known + PREFIX_LENGTH);
        }
    }
    return false;
}

static void reject_unknown(struct loader *loader, const char *variable)
{
    size_t length = strcspn(variable, "=");
    const char *value = variable + length + (variable[length] == '=');
    char *name = alloc_text_of(variable, length);
    struct suggestion suggestion;
    const char *nearest;

    suggestion_init(&suggestion, name + PREFIX_LENGTH);
    if (!is_known(name, &suggestion) && !is_service_variable(name, value)) {
        nearest = suggestion_get(&suggestion);
        if (nearest != NULL) {
            loader_error(loader, name, NULL, "unknown option; did you mean " PREFIX "%s?", nearest);
        } else {
            loader_error(loader, name, NULL, "unknown option");
        }
    }
    free(name);
}

void loader_load_environment(struct loader *loader)
{
    for (int option = 0; option < CONFIG_OPTION_COUNT; option++) {
        const struct option_row *row = &option_rows[option];

        for (int is_file = 0; is_file <= ((row->flags & SECRET) != 0); is_file++) {
            char name[OPTION_NAME_MAX];

            option_environment_name(row, is_file != 0, name);
            set_variable(loader, &(struct setting){.layer = LAYER_ENVIRONMENT,
                                                   .option = (enum config_option)option,
                                                   .is_file = is_file != 0,
                                                   .source = name});
        }
    }
    for (char **at = loader->request->environment; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, PREFIX, PREFIX_LENGTH) == 0) {
            reject_unknown(loader, *at);
        }
    }
}
