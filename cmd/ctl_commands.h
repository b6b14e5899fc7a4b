/* SPDX-License-Identifier: MIT */
/**
 * ctl_commands: the commands (http/commands.def) and options of visitcountctl. Also writes their
 * help, reference and completion.
 */
#ifndef VISITCOUNTD_CMD_CTL_COMMANDS_H
#define VISITCOUNTD_CMD_CTL_COMMANDS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum ctl_kind { CTL_KIND_ASK, CTL_KIND_ACT, CTL_KIND_TUNE, CTL_KIND_LOCAL };

/** Options that only some commands have. */
enum ctl_command_option {
    CTL_WATCH = 1,
    CTL_FORCE = 2,
    CTL_TRUST = 4,
    CTL_PLAIN = 8 /* no option: the answer is never JSON */
};

struct ctl_invocation;

/** A row of commands.def. */
struct ctl_command {
    const char *name;
    enum ctl_kind kind;
    int (*run)(const struct ctl_invocation *invocation); /* returns the exit status */
    unsigned options;                                    /* of enum ctl_command_option */
    const char *parameters;
    size_t required;
    const char *words;
    const char *summary;
    const char *details;
};

struct ctl_option {
    const char *name;
    const char *argument; /* NULL if it takes none */
    int value;            /* for getopt_long(3) */
    const char *words;    /* the argument's completions */
    const char *text;
};

extern const struct ctl_option ctl_options[];
extern const size_t ctl_option_count;

/** Returns the command, or NULL. */
const struct ctl_command *ctl_command_find(const char *name);

/** Returns the name of the command nearest to `name`, or NULL. */
const char *ctl_command_suggest(const char *name);

/** Returns the largest number of arguments of the command. */
size_t ctl_command_maximum(const struct ctl_command *command);

/** Appends the request's target: "/get?page=%2Fblog". The caller has checked `argument_count`. */
void ctl_command_put_target(struct buf *out, const struct ctl_command *command,
                            char *const *arguments, size_t argument_count);

/** Appends one more parameter to a NUL-terminated target. */
void ctl_command_put_parameter(struct buf *target, const char *name, const char *value);

/** Appends "usage: …", all commands and all options. */
void ctl_commands_put_help(struct buf *out);

/** Appends one line "usage: …" of one command. */
void ctl_command_put_usage(struct buf *out, const struct ctl_command *command);

/** Appends usage, summary and details of one command. */
void ctl_command_put_help(struct buf *out, const struct ctl_command *command);

/** Appends all commands and options. `form` is "man", "markdown" or "bash". 0, or -EINVAL. */
int ctl_commands_put_reference(struct buf *out, const char *form);

#endif
