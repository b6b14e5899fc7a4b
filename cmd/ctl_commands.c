/* SPDX-License-Identifier: MIT */
#include "ctl_commands.h"

#include "base/suggest.h"
#include "ctl_run.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PARAMETERS_MAX 4

/** A value of `words` that stands for the names of all commands. */
#define WORDS_COMMANDS "@commands"

static const struct ctl_command commands[] = {
#define COMMAND(id, name, kind, run, options, parameters, required, words, summary, details) \
    {name, CTL_KIND_##kind, ctl_run_##run, options, parameters, required, words, summary, details},
#define LOCAL_COMMAND(id, name, options, parameters, required, words, summary, details) \
    {name, CTL_KIND_LOCAL, ctl_run_##id, options, parameters, required, words, summary, details},
#include "http/admin/commands.def"
#undef COMMAND
#undef LOCAL_COMMAND
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const struct ctl_option ctl_options[] = {
    {"socket", "path", 's', "", "The admin socket of the instance."},
    {"instance", "name", 'i', "",
     "The instance, by its name; its socket is then /run/visitcountd/NAME/admin.sock."},
    {"json", NULL, 'j', "", "Answer in JSON, for programs."},
    {"timeout", "duration", 't', "1s 5s 30s",
     "How long to wait for the answer of an instance: a number with ms, s or m. Without it: 5s."},
    {"watch", NULL, 'w', "",
     "Ask again each second until interrupted. Only for commands that change nothing."},
    {"trust", "hits|number", 'r', "hits",
     "For repair: which number of the site to keep: hits, the present one, or NUMBER."},
    {"force", NULL, 'f', "",
     "Take a site that is not counted here all the same; for backup: replace the file that is "
     "there; for repair: also where nothing is wrong."},
    {"help", NULL, 'h', "", "Show all commands and options, or what the given command does."},
    {"version", NULL, 'V', "", "Show the version of visitcountctl."},
    {"print-reference", "form", 'p', "man markdown bash",
     "Print the commands and options as man, markdown or bash, for its documents."},
};

const size_t ctl_option_count = sizeof(ctl_options) / sizeof(ctl_options[0]);

const struct ctl_command *ctl_command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

const char *ctl_command_suggest(const char *name)
{
    struct suggestion suggestion;
    const char *nearest;

    suggestion_init(&suggestion, name);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        suggestion_offer(&suggestion, commands[i].name);
    }
    nearest = suggestion_get(&suggestion);
    return nearest != NULL ? ctl_command_find(nearest)->name : NULL;
}

/* Parameters of a command */

struct parameters {
    size_t count;
    size_t trailing; /* optional ones at the end; 0 if the optional ones are at the start */
    char names[PARAMETERS_MAX][16];
};

static struct parameters parameters_of(const struct ctl_command *command)
{
    struct parameters parameters = {0};
    const char *at = command->parameters;

    while (*at != '\0') {
        size_t bracket = *at == '[';
        size_t length = strcspn(at, " ");
        char *name = parameters.names[parameters.count++];

        snprintf(name, sizeof(parameters.names[0]), "%.*s", (int)(length - 2 * bracket),
                 at + bracket);
        parameters.trailing += bracket;
        at += length + (at[length] == ' ');
    }
    return parameters;
}

size_t ctl_command_maximum(const struct ctl_command *command)
{
    return parameters_of(command).count;
}

static void put_upper(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        buf_putc(out, (char)toupper((unsigned char)*text));
    }
}

static void put_argument(struct buf *out, const char *name, bool is_mdoc)
{
    if (is_mdoc) {
        buf_printf(out, "Ar %s", name);
    } else {
        put_upper(out, name);
    }
}

/** Appends "[[SITE] PAGE]": the first ones are optional. */
static void put_leading(struct buf *out, const struct parameters *parameters, size_t optional,
                        bool is_mdoc)
{
    for (size_t i = 0; i < optional; i++) {
        buf_puts(out, is_mdoc ? " Oo" : i == 0 ? " [" : "[");
    }
    for (size_t i = 0; i < parameters->count; i++) {
        buf_puts(out, is_mdoc || i > 0 || optional == 0 ? " " : "");
        put_argument(out, parameters->names[i], is_mdoc);
        if (i < optional) {
            buf_puts(out, is_mdoc ? " Oc" : "]");
        }
    }
}

/** Appends "PEER [REAL_IP [FORWARDED_FOR]]": the last ones are optional. */
static void put_trailing(struct buf *out, const struct parameters *parameters, bool is_mdoc)
{
    size_t required = parameters->count - parameters->trailing;

    for (size_t i = 0; i < parameters->count; i++) {
        buf_puts(out, i < required ? " " : is_mdoc ? " Oo " : " [");
        put_argument(out, parameters->names[i], is_mdoc);
    }
    for (size_t i = 0; i < parameters->trailing; i++) {
        buf_puts(out, is_mdoc ? " Oc" : "]");
    }
}

/** Appends the arguments of a command, as text or as mdoc(7). */
static void put_synopsis(struct buf *out, const struct ctl_command *command, bool is_mdoc)
{
    struct parameters parameters = parameters_of(command);

    if (parameters.trailing != 0) {
        put_trailing(out, &parameters, is_mdoc);
    } else {
        put_leading(out, &parameters, parameters.count - command->required, is_mdoc);
    }
}

void ctl_command_put_parameter(struct buf *target, const char *name, const char *value)
{
    buf_printf(target, "%c%s=", strchr(target->bytes, '?') == NULL ? '?' : '&', name);
    for (const char *at = value; *at != '\0'; at++) {
        bool is_plain = isalnum((unsigned char)*at) || strchr("-._~", *at) != NULL;

        buf_printf(target, is_plain ? "%c" : "%%%02X", (unsigned char)*at);
    }
}

void ctl_command_put_target(struct buf *out, const struct ctl_command *command,
                            char *const *arguments, size_t argument_count)
{
    struct parameters parameters = parameters_of(command);
    size_t first = parameters.trailing != 0 ? 0 : parameters.count - argument_count;

    buf_printf(out, "/%s", command->name);
    for (size_t i = 0; i < argument_count; i++) {
        ctl_command_put_parameter(out, parameters.names[first + i], arguments[i]);
    }
}

/* Help */

#define HELP_WIDTH  79
#define HELP_INDENT 26

/** Appends `text` with line breaks between words. Indents each new line by `indent` columns. */
static void put_wrapped(struct buf *out, size_t column, size_t indent, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, " ");

        if (column > indent && column + 1 + length > HELP_WIDTH) {
            buf_putc(out, '\n');
            column = 0;
        } else if (column > indent) {
            buf_putc(out, ' ');
            column++;
        }
        for (; column < indent; column++) {
            buf_putc(out, ' ');
        }
        buf_append(out, text, length);
        column += length;
        text += length + strspn(text + length, " ");
    }
    buf_putc(out, '\n');
}

/** Appends a row of a list: `head` and its text. */
static void put_help_row(struct buf *out, const struct buf *head, const char *text)
{
    buf_append(out, head->bytes, head->length);
    if (head->length + 2 > HELP_INDENT) {
        buf_putc(out, '\n');
    }
    put_wrapped(out, head->length + 2 > HELP_INDENT ? 0 : head->length, HELP_INDENT, text);
}

void ctl_commands_put_help(struct buf *out)
{
    struct buf head = BUF_EMPTY;

    buf_puts(out, "usage: visitcountctl [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        buf_clear(&head);
        buf_printf(&head, "  %s", commands[i].name);
        put_synopsis(&head, &commands[i], false);
        put_help_row(out, &head, commands[i].summary);
    }
    buf_puts(out, "\nOptions:\n");
    for (size_t i = 0; i < ctl_option_count; i++) {
        buf_clear(&head);
        buf_printf(&head, "  --%s", ctl_options[i].name);
        if (ctl_options[i].argument != NULL) {
            buf_putc(&head, ' ');
            put_upper(&head, ctl_options[i].argument);
        }
        put_help_row(out, &head, ctl_options[i].text);
    }
    buf_puts(out,
             "\nExit status: 0 done, 1 refused by the daemon, 2 daemon not reached, 64 usage.\n");
    buf_finish(&head);
}

void ctl_command_put_usage(struct buf *out, const struct ctl_command *command)
{
    buf_printf(out, "usage: visitcountctl [OPTION]... %s", command->name);
    put_synopsis(out, command, false);
    buf_putc(out, '\n');
}

/** Appends the options that the command has besides the general ones. */
static void put_own_options(struct buf *out, const struct ctl_command *command)
{
    static const struct {
        enum ctl_command_option option;
        const char *text;
    } rows[] = {
        {CTL_WATCH, " --watch"}, {CTL_FORCE, " --force"}, {CTL_TRUST, " --trust hits|NUMBER"}};
    const char *head = "\nOptions:";

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((command->options & rows[i].option) != 0) {
            buf_printf(out, "%s%s", head, rows[i].text);
            head = "";
        }
    }
    buf_puts(out, head[0] == '\0' ? "\n" : "");
}

void ctl_command_put_help(struct buf *out, const struct ctl_command *command)
{
    ctl_command_put_usage(out, command);
    buf_putc(out, '\n');
    put_wrapped(out, 0, 0, command->summary);
    if (command->details[0] != '\0') {
        put_wrapped(out, 0, 0, command->details);
    }
    put_own_options(out, command);
}

/* Reference */

/** Appends text for mdoc(7). Each sentence starts on a new line. */
static void put_mdoc_text(struct buf *out, const char *text)
{
    struct buf sentence = BUF_EMPTY;
    bool is_word_start = true;

    for (; *text != '\0'; text++) {
        if (is_word_start && strchr(".'", *text) != NULL) {
            buf_puts(&sentence, "\\&"); /* so that roff reads no request if it begins a line */
        }
        if (*text == '\\') {
            buf_puts(&sentence, "\\e");
        } else if (text[0] == '-' && text[1] == '-') {
            buf_puts(&sentence, "\\-\\-");
            text++;
        } else {
            buf_putc(&sentence, *text);
        }
        is_word_start = *text == ' ';
        if (text[0] == '.' && (text[1] == ' ' || text[1] == '\0')) {
            put_wrapped(out, 0, 0, sentence.bytes);
            buf_clear(&sentence);
            text += text[1] == ' ';
            is_word_start = true;
        }
    }
    buf_finish(&sentence);
}

static void put_man(struct buf *out)
{
    buf_puts(out, ".Sh OPTIONS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < ctl_option_count; i++) {
        buf_printf(out, ".It Fl Fl %s", ctl_options[i].name);
        if (ctl_options[i].argument != NULL) {
            buf_printf(out, " Ar %s", ctl_options[i].argument);
        }
        buf_putc(out, '\n');
        put_mdoc_text(out, ctl_options[i].text);
    }
    buf_puts(out, ".El\n.Sh COMMANDS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        buf_printf(out, ".It Cm %s", commands[i].name);
        put_synopsis(out, &commands[i], true);
        buf_putc(out, '\n');
        put_mdoc_text(out, commands[i].summary);
        if (commands[i].details[0] != '\0') {
            put_mdoc_text(out, commands[i].details);
        }
    }
    buf_puts(out, ".El\n");
}

static void put_markdown(struct buf *out)
{
    buf_puts(out, "| command | does |\n| --- | --- |\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        buf_printf(out, "| `%s", commands[i].name);
        put_synopsis(out, &commands[i], false);
        buf_printf(out, "` | %s%s%s |\n", commands[i].summary,
                   commands[i].details[0] != '\0' ? " " : "", commands[i].details);
    }
}

static void put_command_names(struct buf *out)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        buf_printf(out, "%s%s", i != 0 ? " " : "", commands[i].name);
    }
}

/** Appends one branch of a shell case: the completions after `prefix``name`. */
static void put_bash_branch(struct buf *out, const char *prefix, const char *name,
                            const char *words)
{
    if (words[0] == '\0') {
        return;
    }
    buf_printf(out, "    %s%s) echo '", prefix, name);
    if (strcmp(words, WORDS_COMMANDS) == 0) {
        put_command_names(out);
    } else {
        buf_puts(out, words);
    }
    buf_puts(out, "' ;;\n");
}

static void put_bash(struct buf *out)
{
    buf_puts(out, "_visitcountctl_commands='");
    put_command_names(out);
    buf_puts(out, "'\n_visitcountctl_options='");
    for (size_t i = 0; i < ctl_option_count; i++) {
        buf_printf(out, "%s--%s", i != 0 ? " " : "", ctl_options[i].name);
    }
    buf_puts(out, "'\n_visitcountctl_words() {\n    case $1 in\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        put_bash_branch(out, "", commands[i].name, commands[i].words);
    }
    for (size_t i = 0; i < ctl_option_count; i++) {
        put_bash_branch(out, "--", ctl_options[i].name, ctl_options[i].words);
    }
    buf_puts(out, "    esac\n}\n");
}

int ctl_commands_put_reference(struct buf *out, const char *form)
{
    static const struct {
        const char *form;
        void (*put)(struct buf *out);
    } forms[] = {{"man", put_man}, {"markdown", put_markdown}, {"bash", put_bash}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(forms[i].form, form) == 0) {
            forms[i].put(out);
            return 0;
        }
    }
    return -EINVAL;
}
