/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzzer without libFuzzer: on each file that is given, and then on mutations of them.
 *
 *   fuzz_x [--mutations N] [--seed N] [--save DIRECTORY] FILE-OR-DIRECTORY...
 *
 * A child runs the inputs. It puts each one into memory that it shares with its parent. When the
 * child fails, the parent writes the input that was running to a file in DIRECTORY and prints its
 * path. An input may take INPUT_CPU_S seconds of processor time. A directory without files is an
 * error.
 */
#include "mutate.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef INPUT_CPU_S
#define INPUT_CPU_S 20
#endif

/* the processor time of an input is limited anew after this many */
#define INPUTS_PER_LIMIT 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

struct options {
    uint64_t mutations;
    uint64_t seed;
    const char *save; /* directory for a failing input */
};

/* what parent and child share */
struct progress {
    uint64_t count; /* of the inputs that were begun */
    size_t length;
    uint8_t bytes[]; /* of the last one */
};

/* --- the corpus --- */

static void add_file(struct mutate_corpus *corpus, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    struct mutate_input input;

    if (file == NULL || fstat(fileno(file), &status) < 0) {
        perror(path);
        exit(1);
    }
    input.length = (size_t)status.st_size;
    input.bytes = malloc(input.length != 0 ? input.length : 1);
    corpus->inputs = realloc(corpus->inputs, (corpus->count + 1) * sizeof(input));
    if (input.bytes == NULL || corpus->inputs == NULL ||
        fread(input.bytes, 1, input.length, file) != input.length) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    corpus->inputs[corpus->count++] = input;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* in the order of the names, so that a seed means the same on each machine */
static void add_directory(struct mutate_corpus *corpus, const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_shown, alphasort);
    char path[4096];

    if (count <= 0) {
        fprintf(stderr, "%s: %s\n", directory, count < 0 ? strerror(errno) : "no files");
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        add_file(corpus, path);
        free(entries[i]);
    }
    free(entries);
}

static void add_path(struct mutate_corpus *corpus, const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        add_directory(corpus, path);
    } else {
        add_file(corpus, path);
    }
}

static size_t longest(const struct mutate_corpus *corpus)
{
    size_t length = MUTATE_MAX;

    for (size_t i = 0; i < corpus->count; i++) {
        length = corpus->inputs[i].length > length ? corpus->inputs[i].length : length;
    }
    return length;
}

/* --- the child --- */

/* the bytes end where their memory does, so that a sanitizer sees what reads beyond them */
static void run_input(struct progress *progress, const uint8_t *input, size_t length)
{
    const struct itimerval limit = {.it_value = {.tv_sec = INPUT_CPU_S}};
    uint8_t *bytes = malloc(length != 0 ? length : 1);

    if (bytes == NULL ||
        (progress->count % INPUTS_PER_LIMIT == 0 && setitimer(ITIMER_PROF, &limit, NULL) != 0)) {
        perror("fuzz");
        exit(1);
    }
    memcpy(progress->bytes, input, length);
    progress->length = length;
    progress->count++;
    memcpy(bytes, input, length);
    if (LLVMFuzzerTestOneInput(bytes, length) != 0) {
        abort();
    }
    free(bytes);
}

static void run_all(const struct options *options, const struct mutate_corpus *corpus,
                    struct progress *progress)
{
    static uint8_t bytes[MUTATE_MAX];
    uint64_t state = options->seed;

    for (size_t i = 0; i < corpus->count; i++) {
        run_input(progress, corpus->inputs[i].bytes, corpus->inputs[i].length);
    }
    for (uint64_t i = 0; i < options->mutations; i++) {
        size_t length = mutate(corpus, &state, bytes);

        run_input(progress, bytes, length);
    }
}

static void free_corpus(struct mutate_corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        free(corpus->inputs[i].bytes);
    }
    free(corpus->inputs);
}

/* --- the parent --- */

static void print_end(int status)
{
    if (WIFSIGNALED(status)) {
        bool is_late = WTERMSIG(status) == SIGPROF;

        fprintf(stderr, "ended by signal %d%s", WTERMSIG(status),
                is_late ? ": the input took too much processor time" : "");
    } else {
        fprintf(stderr, "ended with status %d", WEXITSTATUS(status));
    }
}

static void save_input(const char *program, const struct options *options,
                       const struct progress *progress)
{
    const char *slash = strrchr(program, '/');
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s-%" PRIu64 "-%" PRIu64, options->save,
             slash != NULL ? slash + 1 : program, options->seed, progress->count);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(progress->bytes, 1, progress->length, file) != progress->length) {
        perror(path);
    }
    if (file != NULL && fclose(file) == 0) {
        fprintf(stderr, "; input %" PRIu64 " of seed %" PRIu64 " is saved; repeat with: %s %s\n",
                progress->count, options->seed, program, path);
    }
}

static int watch(const char *program, const struct options *options,
                 const struct mutate_corpus *corpus, const struct progress *progress, pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            perror("waitpid");
            return 1;
        }
    }
    if (status != 0) {
        fprintf(stderr, "%s: ", program);
        print_end(status);
        save_input(program, options, progress);
        return 1;
    }
    printf("%s: %zu files, %" PRIu64 " mutations, seed %" PRIu64 "\n", program, corpus->count,
           options->mutations, options->seed);
    return 0;
}

static uint64_t parse_number(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);

    if (end == text || *end != '\0') {
        fprintf(stderr, "expected a number, got \"%s\"\n", text);
        exit(64);
    }
    return number;
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {{"mutations", required_argument, NULL, 'm'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"save", required_argument, NULL, 'd'},
                                          {0}};
    struct options options = {.seed = 1, .save = "."};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'm':
            options.mutations = parse_number(optarg);
            break;
        case 's':
            options.seed = parse_number(optarg);
            break;
        case 'd':
            options.save = optarg;
            break;
        default:
            exit(64);
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    struct mutate_corpus corpus = {0};
    struct progress *progress;
    pid_t child;
    int status;

    if (optind == argc) {
        fprintf(stderr, "%s: expected files or directories\n", argv[0]);
        return 64;
    }
    for (int i = optind; i < argc; i++) {
        add_path(&corpus, argv[i]);
    }
    progress = mmap(NULL, sizeof(*progress) + longest(&corpus), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child = progress != MAP_FAILED ? fork() : -1;
    if (child < 0) {
        perror(argv[0]);
        return 1;
    }
    if (child == 0) {
        run_all(&options, &corpus, progress);
        free_corpus(&corpus);
        exit(0);
    }
    status = watch(argv[0], &options, &corpus, progress, child);
    free_corpus(&corpus);
    return status;
}
