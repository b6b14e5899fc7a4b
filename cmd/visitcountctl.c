/* SPDX-License-Identifier: MIT */
/*
 * visitcountctl: sends a command over the admin socket and prints the answer. http/commands.def is
 * the table of commands; the daemon makes the answers.
 */
#include "ctl_client.h"
#include "ctl_commands.h"
#include "ctl_output.h"
#include "ctl_run.h"

#include "base/buf.h"
#include "base/units.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>

#define DEFAULT_TIMEOUT_MS 5000
#define TIMEOUT_MAX_MS     3600000

/* Command line */

static bool parse_option(struct ctl_invocation *invocation, int value)
{
    switch (value) {
    case 's':
        invocation->socket = optarg;
        break;
    case 'i':
        invocation->instance = optarg;
        break;
    case 'j':
        invocation->wants_json = true;
        break;
    case 't':
        return units_parse_duration(optarg, &invocation->timeout_ms) == 0 &&
               invocation->timeout_ms > 0 && invocation->timeout_ms <= TIMEOUT_MAX_MS;
    case 'w':
        invocation->watches = true;
        break;
    case 'f':
        invocation->is_forced = true;
        break;
    case 'r':
        invocation->trust = optarg;
        break;
    case 'h':
        invocation->wants_help = true;
        break;
    case 'V':
        invocation->wants_version = true;
        break;
    case 'p':
        invocation->reference = optarg;
        break;
    }
    return true;
}

static int parse_options(int argc, char **argv, struct ctl_invocation *invocation)
{
    struct option options[16] = {0};
    int value;

    assert(ctl_option_count < sizeof(options) / sizeof(options[0]));
    for (size_t i = 0; i < ctl_option_count; i++) {
        bool has_argument = ctl_options[i].argument != NULL;

        options[i] =
            (struct option){ctl_options[i].name, has_argument ? required_argument : no_argument,
                            NULL, ctl_options[i].value};
    }
    while ((value = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (value == '?') {
            return CTL_USAGE;
        }
        if (!parse_option(invocation, value)) {
            return ctl_output_fail(CTL_USAGE,
                                   "--timeout: expected a duration such as \"500ms\" or \"5s\", up "
                                   "to 1h, not \"%s\"",
                                   optarg);
        }
    }
    if (invocation->socket != NULL && invocation->instance != NULL) {
        return ctl_output_fail(CTL_USAGE,
                               "--socket and --instance both name the instance; give only one");
    }
    return CTL_DONE;
}

/** Checks that the command has the options that are given. Returns the exit status. */
static int check_options(const struct ctl_invocation *invocation)
{
    const struct ctl_command *command = invocation->command;
    const struct {
        bool is_given;
        enum ctl_command_option option;
        const char *name;
    } rows[] = {
        {invocation->watches, CTL_WATCH, "watch"},
        {invocation->is_forced, CTL_FORCE, "force"},
        {invocation->trust != NULL, CTL_TRUST, "trust"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].is_given && (command->options & rows[i].option) == 0) {
            return ctl_output_fail(CTL_USAGE,
                                   "%s has no option --%s; visitcountctl help %s shows its options",
                                   command->name, rows[i].name, command->name);
        }
    }
    return CTL_DONE;
}

/** Checks the number of arguments. Returns the exit status. */
static int check_arguments(const struct ctl_invocation *invocation)
{
    const struct ctl_command *command = invocation->command;
    size_t count = invocation->argument_count;
    struct buf text = BUF_EMPTY;

    if (count >= command->required && count <= ctl_command_maximum(command)) {
        return CTL_DONE;
    }
    buf_printf(&text, "%s: too %s arguments, got %zu\n", command->name,
               count < command->required ? "few" : "many", count);
    ctl_command_put_usage(&text, command);
    ctl_output_fail_with(CTL_USAGE, &text);
    buf_finish(&text);
    return CTL_USAGE;
}

/** Parses the command and its arguments. Returns the exit status. */
static int parse_command(int argc, char **argv, struct ctl_invocation *invocation)
{
    int status;

    if (argc == 0) {
        return CTL_DONE;
    }
    invocation->command = ctl_command_find(argv[0]);
    if (invocation->command == NULL) {
        return ctl_run_refuse_name(argv[0]);
    }
    invocation->arguments = argv + 1;
    invocation->argument_count = (size_t)argc - 1;
    if (invocation->wants_help) {
        return CTL_DONE;
    }
    status = check_options(invocation);
    return status == CTL_DONE ? check_arguments(invocation) : status;
}

/* Running */

static int print_reference(const char *form)
{
    struct buf text = BUF_EMPTY;
    int status;

    if (ctl_commands_put_reference(&text, form) != 0) {
        status = ctl_output_fail(
            CTL_USAGE, "--print-reference: expected man, markdown or bash, not \"%s\"", form);
    } else {
        status = ctl_output_print(&text);
    }
    buf_finish(&text);
    return status;
}

int main(int argc, char **argv)
{
    struct ctl_invocation invocation = {.timeout_ms = DEFAULT_TIMEOUT_MS};
    int status = parse_options(argc, argv, &invocation);

    if (status == CTL_DONE) {
        status = parse_command(argc - optind, argv + optind, &invocation);
    }
    if (status != CTL_DONE) {
        return status;
    }
    if (invocation.reference != NULL) {
        return print_reference(invocation.reference);
    }
    if (invocation.wants_version) {
        puts("visitcountctl " VISITCOUNTD_VERSION);
        return CTL_DONE;
    }
    if (invocation.wants_help) {
        return ctl_run_print_help(invocation.command);
    }
    if (invocation.command == NULL) {
        return ctl_output_fail(CTL_USAGE, "expected a command; visitcountctl help lists them");
    }
    return invocation.command->run(&invocation);
}
