/* SPDX-License-Identifier: MIT */
/**
 * loader: collects what each layer gives, from the weakest to the strongest, and every error of
 * them. Internal to config/.
 *
 * A `struct loader` is on the stack of config_load(); the config in it belongs to that function.
 */
#ifndef VISITCOUNTD_CONFIG_LOADER_H
#define VISITCOUNTD_CONFIG_LOADER_H

#include "config/option.h"

/** Where a value can come from, weakest first; the order in which they are read. */
enum config_layer {
    LAYER_DEFAULT,
    LAYER_KUBERNETES,   /* REDIS_PORT=tcp://HOST:PORT */
    LAYER_FILE,         /* the config file */
    LAYER_CREDENTIAL,   /* $CREDENTIALS_DIRECTORY */
    LAYER_TRADITIONAL,  /* REDIS_HOST, REDIS_URL … */
    LAYER_ENVIRONMENT,  /* VISITCOUNTD_… */
    LAYER_COMMAND_LINE, /* --set */
};

struct loader {
    const struct config_request *request;
    struct config *config;
    struct buf *errors;
    const struct config *previous; /* of a running daemon, or NULL */
    struct buf *warnings;          /* with `previous` */
    bool failed;
    struct {
        enum config_layer layer; /* the strongest so far that gave the option */
        bool is_file;            /* and gave it as the name of a file */
    } given[CONFIG_OPTION_COUNT];
};

/** One option as one layer gives it. */
struct setting {
    enum config_layer layer;
    enum config_option option;
    bool is_file;       /* the text is the path of a file that holds the value */
    const char *source; /* for errors and for config->sources */
    struct option_input input;
};

/** Appends "source: path: …" to the errors; `path` may be NULL. */
void loader_error(struct loader *loader, const char *source, const char *path, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

/**
 * Takes a setting whose layer is at least as strong as those before. Errors are appended, and the
 * option keeps the value that it had.
 */
void loader_set(struct loader *loader, const struct setting *setting);

/** The same for a `setting` of one plain text; of its input only `is_secret` is looked at. */
void loader_set_text(struct loader *loader, struct setting setting, const char *text);

/** Whether the running daemon has `option` from this file, so that the value may be kept. */
bool loader_had_from_file(const struct loader *loader, enum config_option option, const char *path);

/** Gives every option its default. */
void loader_set_defaults(struct loader *loader);

/** Appends that `path` is unknown, with the nearest of all option paths. */
void loader_reject_path(struct loader *loader, const char *source, const char *path);

/** Puts the instance's name into paths with %i, once it is known, and measures them. */
void loader_expand(struct loader *loader);

/** Checks that no name belongs to two sites. */
void loader_check_sites(struct loader *loader);

/** Read the layers that are in the environment or named by it (config_environment.c). */
void config_load_kubernetes(struct loader *loader);
void config_load_credentials(struct loader *loader);
void config_load_traditional(struct loader *loader);
void config_load_environment(struct loader *loader);

#endif
