/* SPDX-License-Identifier: MIT */
#include "base/zone_name.h"

#include "base/suggest.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/usr/share/zoneinfo"
#define MAGIC     "TZif" /* RFC 8536, section 3.1 */

/* how deep the database is nested: America/Argentina/Salta */
#define DEPTH_MAX 3

/* the range of the zones Etc/GMT+12 to Etc/GMT-14 */
#define BEHIND_MAX_H 12
#define AHEAD_MAX_H  14

static const char *database(void)
{
    const char *directory = getenv("TZDIR");

    return directory != NULL && *directory != '\0' ? directory : DIRECTORY;
}

/* --- names --- */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* whether the file is not accepted: this machine's zone, or a copy in another time scale */
static bool is_other(const char *name)
{
    return strcmp(name, "localtime") == 0 || strcmp(name, "posixrules") == 0 ||
           begins_with(name, "posix/") || begins_with(name, "right/");
}

/* whether the name stays below the directory: it has no dots and no empty parts */
static bool is_plain(const char *name)
{
    size_t length = strlen(name);
    char last = '/';

    if (length == 0 || length > ZONE_NAME_MAX || name[length - 1] == '/') {
        return false;
    }
    for (const char *c = name; *c != '\0'; last = *c++) {
        bool is_good = isascii(*c) && (isalnum((unsigned char)*c) || strchr("_+-", *c) != NULL);

        if (*c == '/' ? last == '/' : !is_good) {
            return false;
        }
    }
    return true;
}

static bool is_zone_file(const char *path)
{
    char magic[sizeof(MAGIC) - 1];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_one;

    if (fd < 0) {
        return false;
    }
    is_one = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
             read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
             memcmp(magic, MAGIC, sizeof(magic)) == 0;
    close(fd);
    return is_one;
}

bool zone_name_find(const char *name, char ret_path[PATH_MAX])
{
    char path[PATH_MAX];

    if (!is_plain(name) || is_other(name) ||
        (size_t)snprintf(path, sizeof(path), "%s/%s", database(), name) >= sizeof(path) ||
        !is_zone_file(path)) {
        return false;
    }
    memcpy(ret_path, path, sizeof(path));
    return true;
}

/* --- suggestions --- */

struct search {
    const char *wanted;
    struct suggestion near;
    char same[ZONE_NAME_MAX + 1]; /* equals `wanted` without case, perhaps only in the last part */
    bool is_whole;                /* `same` equals `wanted` in all parts */
};

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash != NULL ? slash + 1 : name;
}

static void offer(struct search *search, const char *name)
{
    bool is_whole = strcasecmp(search->wanted, name) == 0;

    if (is_whole || (!search->is_whole && strcasecmp(search->wanted, last_part(name)) == 0)) {
        snprintf(search->same, sizeof(search->same), "%s", name);
        search->is_whole = is_whole;
    }
    suggestion_offer(&search->near, name);
}

static void walk(struct search *search, const char *below, int depth)
{
    char path[PATH_MAX];
    char name[ZONE_NAME_MAX + 1];
    const struct dirent *entry;
    DIR *directory;

    snprintf(path, sizeof(path), "%s/%s", database(), below);
    directory = depth < DEPTH_MAX ? opendir(path) : NULL;
    if (directory == NULL) {
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (strchr(entry->d_name, '.') != NULL ||
            (size_t)snprintf(name, sizeof(name), "%s%s%s", below, *below != '\0' ? "/" : "",
                             entry->d_name) >= sizeof(name)) {
            continue;
        }
        if (zone_name_find(name, path)) {
            offer(search, name);
        } else if (strcmp(name, "posix") != 0 && strcmp(name, "right") != 0) {
            walk(search, name, depth + 1);
        }
    }
    closedir(directory);
}

static const char *find_meant(struct search *search, const char *wanted)
{
    *search = (struct search){.wanted = wanted};
    suggestion_init(&search->near, wanted);
    walk(search, "", 0);
    return search->same[0] != '\0' ? search->same : suggestion_get(&search->near);
}

/* --- offsets --- */

static bool parse_number(const char **at, int digits_max, int *ret_number)
{
    int number = 0;
    int digits = 0;

    while (digits < digits_max && isdigit((unsigned char)**at)) {
        number = 10 * number + (*(*at)++ - '0');
        digits++;
    }
    *ret_number = number;
    return digits != 0;
}

/* parses "UTC-3", "GMT+02:00", "+0530" or "-3" into its sign, hours and minutes */
static bool parse_offset(const char *name, bool *ret_is_minus, int *ret_hours, int *ret_minutes)
{
    const char *at = name;

    if (strncasecmp(at, "UTC", 3) == 0 || strncasecmp(at, "GMT", 3) == 0) {
        at += 3;
    }
    if (*at != '+' && *at != '-') {
        return false;
    }
    *ret_is_minus = *at++ == '-';
    *ret_minutes = 0;
    if (!parse_number(&at, 2, ret_hours)) {
        return false;
    }
    if (*at != '\0') {
        at += *at == ':' ? 1 : 0;
        if (!parse_number(&at, 2, ret_minutes)) {
            return false;
        }
    }
    return *at == '\0';
}

static void put_hours(struct buf *out, int hours, bool is_behind)
{
    static const char *const words[] = {"",     "one",    "two",    "three",    "four",
                                        "five", "six",    "seven",  "eight",    "nine",
                                        "ten",  "eleven", "twelve", "thirteen", "fourteen"};
    const char *direction = is_behind ? "behind" : "ahead of";

    if (hours <= (is_behind ? BEHIND_MAX_H : AHEAD_MAX_H)) {
        buf_printf(out, "; %s hour%s %s UTC is Etc/GMT%c%d", words[hours], hours == 1 ? "" : "s",
                   direction, is_behind ? '+' : '-', hours);
    } else {
        buf_printf(out, "; no zone is %d hours %s UTC", hours, direction);
    }
}

/* suggests first the zone that the usual meaning of the sign gives */
static void explain_offset(struct buf *out, bool is_minus, int hours, int minutes)
{
    if (minutes != 0) {
        buf_puts(out, "; zones that are not whole hours from UTC have names of places only, such "
                      "as \"Asia/Kolkata\" or \"America/St_Johns\"");
    } else if (hours == 0) {
        buf_puts(out, "; did you mean \"UTC\"?");
    } else {
        put_hours(out, hours, is_minus);
        put_hours(out, hours, !is_minus);
    }
}

/* whether the name is a POSIX TZ rule such as "CET-1CEST": letters, then an offset */
static bool is_posix_rule(const char *name)
{
    size_t letters = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return name[0] == '<' || name[0] == ':' ||
           (letters >= 3 && name[letters] != '\0' && strchr("+-0123456789", name[letters]) != NULL);
}

void zone_name_explain(const char *name, struct buf *out)
{
    struct search search;
    const char *meant;
    struct stat status;
    bool is_minus;
    int hours;
    int minutes;

    if (stat(database(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        buf_printf(out,
                   "; there is no tz database at %s (package tzdata), so only \"UTC\" is valid",
                   database());
        return;
    }
    if (parse_offset(name, &is_minus, &hours, &minutes)) {
        explain_offset(out, is_minus, hours, minutes);
        return;
    }
    meant = find_meant(&search, name);
    if (is_posix_rule(name)) {
        buf_puts(out, "; rules as in the variable TZ are not names: use that of a place");
    }
    if (meant != NULL) {
        buf_printf(out, "; did you mean \"%s\"?", meant);
    }
}
