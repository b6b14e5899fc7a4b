/* SPDX-License-Identifier: MIT */
/**
 * loader: merges the settings of all layers, from the weakest to the strongest, and collects their
 * errors. Internal to config/.
 *
 * config_load() has the `struct loader` on its stack and owns the config in it.
 */
#ifndef VISITCOUNTD_CONFIG_LOADER_H
#define VISITCOUNTD_CONFIG_LOADER_H

#include "config/option.h"

/** The sources of values, weakest first. They are read in this order. */
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
        enum config_layer layer; /* the strongest layer so far that gave the option */
        bool is_file;            /* the layer gave the name of a file */
    } given[CONFIG_OPTION_COUNT];
};

/** One option in one layer. */
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
 * Applies a setting. Its layer must be at least as strong as the previous ones. On an error appends
 * a line to the errors; the option then keeps its value.
 */
void loader_set(struct loader *loader, const struct setting *setting);

/** Like loader_set(), with `text` as the value. Uses only `is_secret` of `setting.input`. */
void loader_set_text(struct loader *loader, struct setting setting, const char *text);

/** Whether the running daemon read `option` from the file `path`, so that its value may be kept. */
bool loader_had_from_file(const struct loader *loader, enum config_option option, const char *path);

/** Sets every option to its default. */
void loader_set_defaults(struct loader *loader);

/** Appends an error for the unknown option `path`, with the nearest known path. */
void loader_reject_path(struct loader *loader, const char *source, const char *path);

/** Expands %i in paths to the instance's name, and checks the length of the results. */
void loader_expand(struct loader *loader);

/** Checks that no name belongs to two sites. */
void loader_check_sites(struct loader *loader);

/**
 * Reads the password of a site from site->secret_file, if that is set. In a reload, a file that
 * cannot be read leaves the previous password in place, with a warning.
 */
void loader_read_site_secret(struct loader *loader, struct config_site *site);

/** Load the layers that are in the environment or named by it (config_environment.c). */
void loader_load_kubernetes(struct loader *loader);
void loader_load_credentials(struct loader *loader);
void loader_load_traditional(struct loader *loader);
void loader_load_environment(struct loader *loader);

#endif
