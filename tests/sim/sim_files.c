/* SPDX-License-Identifier: MIT */
#include "sim_files.h"

#include "sim_clock.h"
#include "sim_copy.h"
#include "sim_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX       256
#define DESCRIPTORS_MAX 32
#define DESCRIPTOR_BASE 1000 /* so that none equals a descriptor of the process */

/* a file: the bytes that reads return, and the bytes on the disk */
struct content {
    char *bytes;
    size_t length;
    char *durable;
    size_t durable_length;
    size_t spoiled_from; /* a failed fsync has dropped the bytes from here on */
};

struct name {
    char text[32];
    struct content *content; /* what open() finds; NULL: no such file */
    struct content *durable; /* what the name refers to on the disk; NULL: nothing */
};

struct sim_files {
    struct name names[FILES_MAX];
    size_t name_count;
    size_t number; /* of the instance */
    struct sim_files_weather weather;
    bool is_locked;
    bool is_dying; /* after `calls_left` further calls */
    unsigned calls_left;
    struct content *contents[4 * FILES_MAX]; /* all that there ever were */
    size_t content_count;
};

struct descriptor {
    struct sim_files *files;
    struct content *content; /* NULL: the directory */
    size_t offset;
};

static struct sim_files *current;
static struct descriptor descriptors[DESCRIPTORS_MAX];

/* --- the directory --- */

struct sim_files *sim_files_create(size_t number)
{
    struct sim_files *files = calloc(1, sizeof(*files));

    if (files == NULL) {
        abort();
    }
    files->number = number;
    files->weather.room_bytes = UINT64_MAX;
    return files;
}

void sim_files_destroy(struct sim_files *files)
{
    if (files == NULL) {
        return;
    }
    for (size_t i = 0; i < files->content_count; i++) {
        free(files->contents[i]->bytes);
        free(files->contents[i]->durable);
        free(files->contents[i]);
    }
    free(files);
}

void sim_files_use(struct sim_files *files)
{
    current = files;
}

void sim_files_set_weather(struct sim_files *files, const struct sim_files_weather *weather)
{
    files->weather = *weather;
}

void sim_files_die_after(struct sim_files *files, unsigned calls)
{
    files->is_dying = true;
    files->calls_left = calls;
}

void sim_files_live_on(struct sim_files *files)
{
    files->is_dying = false;
}

bool sim_files_is_dead(const struct sim_files *files)
{
    return files->is_dying && files->calls_left == 0;
}

size_t sim_files_count(const struct sim_files *files)
{
    size_t count = 0;

    for (size_t i = 0; i < files->name_count; i++) {
        bool is_aside = strstr(files->names[i].text, ".aside") != NULL;

        count += files->names[i].content != NULL && !is_aside ? 1 : 0;
    }
    return count;
}

static struct name *find_name(struct sim_files *files, const char *text)
{
    for (size_t i = 0; i < files->name_count; i++) {
        if (strcmp(files->names[i].text, text) == 0) {
            return &files->names[i];
        }
    }
    return NULL;
}

static struct name *add_name(struct sim_files *files, const char *text)
{
    struct name *name = &files->names[files->name_count++];

    if (files->name_count > FILES_MAX) {
        abort();
    }
    snprintf(name->text, sizeof(name->text), "%s", text);
    return name;
}

static struct content *add_content(struct sim_files *files)
{
    struct content *content = calloc(1, sizeof(*content));

    if (content == NULL || files->content_count == 4 * FILES_MAX) {
        abort();
    }
    content->spoiled_from = SIZE_MAX;
    files->contents[files->content_count++] = content;
    return content;
}

static uint64_t used_bytes(const struct sim_files *files)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < files->name_count; i++) {
        bytes += files->names[i].content != NULL ? files->names[i].content->length : 0;
    }
    return bytes;
}

/* --- crashes --- */

/* changes the length to `to`; new bytes are zero */
static void resize(char **bytes, size_t *length, size_t to)
{
    *bytes = realloc(*bytes, to + 1);
    if (*bytes == NULL) {
        abort();
    }
    if (to > *length) {
        memset(*bytes + *length, 0, to - *length);
    }
    *length = to;
}

static void write_back(struct content *content)
{
    resize(&content->durable, &content->durable_length, content->length);
    if (content->length != 0) {
        sim_copy(content->durable, content->bytes, content->length);
    }
    if (content->spoiled_from < content->length) {
        memset(content->durable + content->spoiled_from, 0,
               content->length - content->spoiled_from);
    }
}

/* bytes appended since the last fsync, or a truncation, may have reached the disk in part */
static void tear(struct content *content)
{
    size_t synced = content->durable_length;
    size_t seen = content->length;

    if (seen < synced) {
        if (sim_chance(500)) {
            write_back(content);
        }
    } else if (seen > synced) {
        size_t kept = sim_chance(300) ? seen : synced + sim_draw(seen - synced + 1);

        resize(&content->durable, &content->durable_length,
               sim_chance(300) ? kept + sim_draw(seen - kept + 1) : kept);
        sim_copy(content->durable + synced, content->bytes + synced, kept - synced);
    }
    resize(&content->bytes, &content->length, content->durable_length);
    if (content->length != 0) {
        sim_copy(content->bytes, content->durable, content->length);
    }
    content->spoiled_from = SIZE_MAX;
}

/* bytes that a fsync dropped are read from the disk again, or stay in memory for another write */
static void forget_spoiled(struct content *content)
{
    if (content->spoiled_from < content->length && sim_chance(500)) {
        memset(content->bytes + content->spoiled_from, 0, content->length - content->spoiled_from);
    }
    content->spoiled_from = SIZE_MAX;
}

static void crash_machine(struct sim_files *files)
{
    for (size_t i = 0; i < files->name_count; i++) {
        struct name *name = &files->names[i];

        if (name->content != name->durable && sim_chance(500)) {
            name->durable = name->content;
        }
        name->content = name->durable;
    }
    for (size_t i = 0; i < files->content_count; i++) {
        tear(files->contents[i]);
    }
}

void sim_files_crash(struct sim_files *files, bool of_machine)
{
    files->is_dying = false;
    files->is_locked = false;
    for (size_t i = 0; i < DESCRIPTORS_MAX; i++) {
        if (descriptors[i].files == files) {
            descriptors[i].files = NULL;
        }
    }
    for (size_t i = 0; i < files->content_count && !of_machine; i++) {
        forget_spoiled(files->contents[i]);
    }
    if (of_machine) {
        crash_machine(files);
    }
}

/* --- the calls to the system --- */

static int fail(int error)
{
    errno = error;
    return -1;
}

/* whether the owner lives, so that a call may change the disk */
static bool is_alive(struct sim_files *files)
{
    if (files->is_dying && files->calls_left != 0) {
        files->calls_left--;
        return true;
    }
    return !files->is_dying;
}

static struct descriptor *descriptor_of(int fd)
{
    struct descriptor *descriptor = &descriptors[fd - DESCRIPTOR_BASE];

    if (fd < DESCRIPTOR_BASE || fd >= DESCRIPTOR_BASE + DESCRIPTORS_MAX ||
        descriptor->files == NULL) {
        abort(); /* closed, or never opened */
    }
    return descriptor;
}

static int take_descriptor(struct sim_files *files, struct content *content)
{
    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        if (descriptors[i].files == NULL) {
            descriptors[i] = (struct descriptor){.files = files, .content = content};
            return DESCRIPTOR_BASE + i;
        }
    }
    abort(); /* they are not closed */
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int directory_fd, const char *text, int flags, ...);
int __wrap_close(int fd);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_flock(int fd, int operation);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset);
ssize_t __wrap_read(int fd, void *bytes, size_t length);
int __wrap_fstat(int fd, struct stat *ret_status);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_ftruncate(int fd, off_t length);
int __wrap_unlinkat(int directory_fd, const char *text, int flags);
DIR *__wrap_fdopendir(int fd);
struct dirent *__wrap_readdir(DIR *directory);
int __wrap_closedir(DIR *directory);

int __wrap_open(const char *path, int flags, ...)
{
    (void)path;
    (void)flags;
    return take_descriptor(current, NULL);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    (void)path;
    (void)mode;
    return fail(EEXIST);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    (void)descriptor_of(fd);
    (void)mode;
    return 0;
}

int __wrap_flock(int fd, int operation)
{
    struct sim_files *files = descriptor_of(fd)->files;

    (void)operation;
    if (files->is_locked) {
        return fail(EWOULDBLOCK);
    }
    files->is_locked = true;
    return 0;
}

int __wrap_close(int fd)
{
    struct descriptor *descriptor = descriptor_of(fd);

    if (descriptor->content == NULL) {
        descriptor->files->is_locked = false;
    }
    descriptor->files = NULL;
    return 0;
}

static int make_file(struct sim_files *files, struct name *name, const char *text, int flags)
{
    if (name != NULL && name->content != NULL && (flags & O_EXCL) != 0) {
        return fail(EEXIST);
    }
    if (!is_alive(files) || sim_chance(files->weather.other_fails)) {
        return fail(sim_chance(500) ? EIO : EMFILE);
    }
    if (name == NULL) {
        name = add_name(files, text);
    }
    name->content = add_content(files);
    sim_say("disk %zu: %s made", files->number, text);
    return take_descriptor(files, name->content);
}

int __wrap_openat(int directory_fd, const char *text, int flags, ...)
{
    struct sim_files *files = descriptor_of(directory_fd)->files;
    struct name *name = find_name(files, text);

    if ((flags & O_DIRECTORY) != 0) {
        return take_descriptor(files, NULL);
    }
    if ((flags & O_CREAT) != 0) {
        return make_file(files, name, text, flags);
    }
    if (name == NULL || name->content == NULL) {
        return fail(ENOENT);
    }
    return take_descriptor(files, name->content);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    struct descriptor *descriptor = descriptor_of(fd);
    struct sim_files *files = descriptor->files;
    struct content *content = descriptor->content;
    uint64_t used = used_bytes(files);
    uint64_t room = files->weather.room_bytes > used ? files->weather.room_bytes - used : 0;
    size_t some = length < room ? length : room;
    int error = some == 0 ? ENOSPC : 0;

    if (!is_alive(files)) {
        return fail(EIO);
    }
    if (sim_chance(files->weather.write_fails)) {
        error = EIO;
    }
    if (error != 0 && sim_chance(500)) {
        return fail(error);
    }
    /* a write that fails or returns a short count may have written a part */
    some = some != 0 && sim_chance(100) ? 1 + sim_draw(some) : some;
    if ((size_t)offset + some > content->length) {
        resize(&content->bytes, &content->length, (size_t)offset + some);
    }
    sim_copy(content->bytes + offset, bytes, some);
    sim_say("disk %zu: %zu of %zu bytes at %lld%s", files->number, some, length, (long long)offset,
            error != 0 ? ", and it fails" : "");
    return error != 0 ? fail(error) : (ssize_t)some;
}

static int sync_directory(struct sim_files *files)
{
    for (size_t i = 0; i < files->name_count; i++) {
        files->names[i].durable = files->names[i].content;
    }
    return 0;
}

int __wrap_fsync(int fd)
{
    struct descriptor *descriptor = descriptor_of(fd);
    struct content *content = descriptor->content;

    if (!is_alive(descriptor->files)) {
        return fail(EIO);
    }
    if (sim_chance(descriptor->files->weather.sync_fails)) {
        if (content != NULL && content->durable_length < content->length &&
            content->durable_length < content->spoiled_from) {
            content->spoiled_from = content->durable_length;
        }
        sim_say("disk %zu: fsync fails", descriptor->files->number);
        return fail(EIO);
    }
    if (content == NULL) {
        return sync_directory(descriptor->files);
    }
    write_back(content);
    sim_say("disk %zu: fsync of %zu bytes", descriptor->files->number, content->length);
    return 0;
}

int __wrap_fdatasync(int fd)
{
    return __wrap_fsync(fd);
}

int __wrap_ftruncate(int fd, off_t length)
{
    struct descriptor *descriptor = descriptor_of(fd);
    struct content *content = descriptor->content;

    if (!is_alive(descriptor->files) || sim_chance(descriptor->files->weather.other_fails)) {
        sim_say("disk %zu: cutting fails", descriptor->files->number);
        return fail(EIO);
    }
    resize(&content->bytes, &content->length, (size_t)length);
    sim_say("disk %zu: cut at %zu", descriptor->files->number, content->length);
    if (content->spoiled_from >= content->length) {
        content->spoiled_from = SIZE_MAX;
    }
    return 0;
}

int __wrap_unlinkat(int directory_fd, const char *text, int flags)
{
    struct sim_files *files = descriptor_of(directory_fd)->files;
    struct name *name = find_name(files, text);

    (void)flags;
    if (name == NULL || name->content == NULL) {
        return fail(ENOENT);
    }
    if (!is_alive(files) || sim_chance(files->weather.other_fails)) {
        return fail(EIO);
    }
    name->content = NULL;
    sim_say("disk %zu: %s removed", files->number, text);
    return 0;
}

ssize_t __wrap_read(int fd, void *bytes, size_t length)
{
    struct descriptor *descriptor = descriptor_of(fd);
    size_t left = descriptor->content->length - descriptor->offset;
    size_t some = length < left ? length : left;

    sim_copy(bytes, descriptor->content->bytes + descriptor->offset, some);
    descriptor->offset += some;
    return (ssize_t)some;
}

int __wrap_fstat(int fd, struct stat *ret_status)
{
    memset(ret_status, 0, sizeof(*ret_status));
    ret_status->st_mode = S_IFREG | 0640;
    ret_status->st_size = (off_t)descriptor_of(fd)->content->length;
    return 0;
}

/* a DIR is the descriptor itself: its offset counts names */
DIR *__wrap_fdopendir(int fd)
{
    return (DIR *)descriptor_of(fd);
}

struct dirent *__wrap_readdir(DIR *directory)
{
    static struct dirent entry;
    struct descriptor *descriptor = (struct descriptor *)directory;

    while (descriptor->offset < descriptor->files->name_count) {
        const struct name *name = &descriptor->files->names[descriptor->offset++];

        if (name->content != NULL) {
            snprintf(entry.d_name, sizeof(entry.d_name), "%s", name->text);
            return &entry;
        }
    }
    return NULL;
}

int __wrap_closedir(DIR *directory)
{
    ((struct descriptor *)directory)->files = NULL;
    return 0;
}
