/* SPDX-License-Identifier: MIT */
/* visitcountd: parses the command line and calls daemon_run(). */
#include "base/buf.h"
#include "config/config.h"
#include "daemon/daemon.h"
#include "http/admin/version.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum action {
    ACTION_RUN,
    ACTION_CHECK,
    ACTION_PRINT,
    ACTION_REFERENCE,
    ACTION_VERSION,
    ACTION_HELP
};

struct command_line {
    enum action action;
    const char *form; /* of --print-reference */
    struct config_request request;
};

enum { ARG_INSTANCE = 256, ARG_SET, ARG_CHECK, ARG_PRINT, ARG_REFERENCE };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"instance", required_argument, NULL, ARG_INSTANCE},
    {"set", required_argument, NULL, ARG_SET},
    {"check-config", no_argument, NULL, ARG_CHECK},
    {"print-config", no_argument, NULL, ARG_PRINT},
    {"print-reference", required_argument, NULL, ARG_REFERENCE},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: visitcountd [--config FILE] [--instance NAME] [--set PATH=VALUE]...\n"
    "                   [--check-config | --print-config | --print-reference FORM]\n"
    "       visitcountd --version | --help\n";

static const char help[] =
    "\n"
    "Counts visits to web pages and tells each visitor its number.\n"
    "\n"
    "  -c, --config FILE        read FILE; default: " CONFIG_DEFAULT_FILE "\n"
    "                           where it exists\n"
    "      --instance NAME      the name of this instance: --set instance=NAME\n"
    "      --set PATH=VALUE     set one option; goes before environment and file\n"
    "      --check-config       check the configuration and exit: 0, or 78 with all errors\n"
    "      --print-config       print each option with its value and where that comes from\n"
    "      --print-reference F  print all options with their defaults, as F: conf, markdown or man\n"
    "  -V, --version            print the versions of the program and its libraries\n"
    "  -h, --help               print this\n"
    "\n"
    "Options, from the command line, then the environment, then the file, then the default:\n"
    "\n";

/* adds `set`, and owns it until free_sets() */
static void add_set(struct config_request *request, char *set)
{
    request->sets = realloc(request->sets, (request->set_count + 1) * sizeof(*request->sets));
    if (request->sets == NULL || set == NULL) {
        abort();
    }
    request->sets[request->set_count++] = set;
}

static void free_sets(struct config_request *request)
{
    for (size_t i = 0; i < request->set_count; i++) {
        free(request->sets[i]);
    }
    free(request->sets);
}

static void add_instance(struct config_request *request, const char *name)
{
    struct buf set = BUF_EMPTY;

    buf_printf(&set, "instance=%s", name);
    add_set(request, buf_steal(&set));
}

/* applies one option; false if it is wrong, which getopt has reported already */
static bool take(struct command_line *line, int option)
{
    switch (option) {
    case 'c':
        line->request.file = optarg;
        return true;
    case ARG_INSTANCE:
        add_instance(&line->request, optarg);
        return true;
    case ARG_SET:
        add_set(&line->request, strdup(optarg));
        return true;
    case ARG_CHECK:
        line->action = ACTION_CHECK;
        return true;
    case ARG_PRINT:
        line->action = ACTION_PRINT;
        return true;
    case ARG_REFERENCE:
        line->action = ACTION_REFERENCE;
        line->form = optarg;
        return true;
    case 'V':
        line->action = ACTION_VERSION;
        return true;
    case 'h':
        line->action = ACTION_HELP;
        return true;
    default:
        return false;
    }
}

static bool parse(int argc, char **argv, struct command_line *line)
{
    int option;

    while ((option = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1) {
        if (!take(line, option)) {
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "visitcountd: unexpected argument \"%s\"\n", argv[optind]);
        return false;
    }
    return true;
}

/* prints `text` and frees it */
static int print(struct buf *text, int status)
{
    fputs(text->bytes != NULL ? text->bytes : "", status == EX_OK ? stdout : stderr);
    buf_finish(text);
    return fflush(stdout) == 0 ? status : EX_IOERR;
}

static int print_help(void)
{
    struct buf text = BUF_EMPTY;

    buf_puts(&text, usage);
    buf_puts(&text, help);
    config_print_help(&text);
    return print(&text, EX_OK);
}

static int print_reference(const char *form)
{
    struct buf text = BUF_EMPTY;

    if (config_print_reference(form, &text) != 0) {
        buf_printf(&text,
                   "visitcountd: --print-reference: expected conf, markdown or man, got "
                   "\"%s\"\n",
                   form);
        return print(&text, EX_USAGE);
    }
    return print(&text, EX_OK);
}

static int print_version(void)
{
    struct buf text = BUF_EMPTY;

    version_print(&text);
    return print(&text, EX_OK);
}

/* the result of a check, with warnings on standard error */
static int print_check(const struct config *config)
{
    struct buf warnings = BUF_EMPTY;
    struct buf text = BUF_EMPTY;

    config_list_warnings(config, &warnings);
    buf_puts(&warnings, "");
    for (char *line = strtok(warnings.bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        fprintf(stderr, "warning: %s\n", line);
    }
    buf_finish(&warnings);
    buf_puts(&text, "visitcountd: the configuration is valid\n");
    return print(&text, EX_OK);
}

static int with_config(const struct command_line *line)
{
    struct buf text = BUF_EMPTY;
    struct config *config = config_load(&line->request, &text);
    int status;

    if (config == NULL) {
        return print(&text, EX_CONFIG);
    }
    if (line->action == ACTION_RUN) {
        return daemon_run(&line->request, config);
    }
    if (line->action == ACTION_CHECK) {
        status = print_check(config);
    } else {
        config_print_text(config, &text);
        status = print(&text, EX_OK);
    }
    config_unload(config);
    return status;
}

static int act(const struct command_line *line)
{
    switch (line->action) {
    case ACTION_HELP:
        return print_help();
    case ACTION_VERSION:
        return print_version();
    case ACTION_REFERENCE:
        return print_reference(line->form);
    default:
        return with_config(line);
    }
}

int main(int argc, char **argv)
{
    struct command_line line = {.action = ACTION_RUN, .request = {.environment = environ}};
    int status = EX_USAGE;

    if (parse(argc, argv, &line)) {
        status = act(&line);
    } else {
        fputs(usage, stderr);
    }
    free_sets(&line.request);
    return status;
}
