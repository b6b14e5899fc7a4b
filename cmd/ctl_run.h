/* SPDX-License-Identifier: MIT */
/**
 * ctl_run: runs a command. The column `run` of http/admin/commands.def names the function.
 */
#ifndef VISITCOUNTD_CMD_CTL_RUN_H
#define VISITCOUNTD_CMD_CTL_RUN_H

#include "ctl_commands.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The parsed command line. */
struct ctl_invocation {
    const char *socket;
    const char *instance;
    bool wants_json;
    bool watches;
    bool is_forced;
    const char *trust;
    bool wants_help;
    bool wants_version;
    const char *reference;
    uint64_t timeout_ms;
    const struct ctl_command *command; /* NULL if none is given */
    char **arguments;
    size_t argument_count;
};

/*
 * Each of these runs invocation->command, whose number of arguments the caller has checked. Writes
 * the result to standard output and errors to standard error. Returns the exit status.
 */

/** Sends one request to the only instance. */
int ctl_run_request(const struct ctl_invocation *invocation);

/** Like ctl_run_request(), but asks all instances if there are several. */
int ctl_run_status(const struct ctl_invocation *invocation);

int ctl_run_journal(const struct ctl_invocation *invocation); /* in ctl_replay.c */
int ctl_run_backup(const struct ctl_invocation *invocation);
int ctl_run_export(const struct ctl_invocation *invocation);
int ctl_run_import(const struct ctl_invocation *invocation);
int ctl_run_help(const struct ctl_invocation *invocation);

/** Prints the help of one command, or of all if it is NULL. Returns the exit status. */
int ctl_run_print_help(const struct ctl_command *command);

/** Reports that there is no such command. Returns the exit status. */
int ctl_run_refuse_name(const char *name);

#endif
