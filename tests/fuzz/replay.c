/* SPDX-License-Identifier: MIT */
/*
 * Passes every file of the directories on the command line to LLVMFuzzerTestOneInput. It serves
 * compilers without libFuzzer and every test run. A directory without files is an error.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/** Returns whether the file could be read. The memory ends with the bytes. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *bytes;
    size_t length;
    int rc = -1;

    if (file == NULL || stat(path, &status) < 0) {
        perror(path);
        return -1;
    }
    length = (size_t)status.st_size;
    bytes = malloc(length != 0 ? length : 1);
    if (bytes != NULL && fread(bytes, 1, length, file) == length) {
        rc = LLVMFuzzerTestOneInput(bytes, length);
    }
    if (rc != 0) {
        fprintf(stderr, "%s: not replayed\n", path);
    }
    free(bytes);
    fclose(file);
    return rc;
}

/** Replays all files of a directory. Returns their number, or -1. */
static int replay_directory(const char *directory)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    int count = 0;

    if (entries == NULL) {
        perror(directory);
        return -1;
    }
    while (count >= 0 && (entry = readdir(entries)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        count = replay_file(path) == 0 ? count + 1 : -1;
    }
    closedir(entries);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i]);

        if (count <= 0) {
            fprintf(stderr, "%s: nothing replayed\n", argv[i]);
            return 1;
        }
        printf("%s: %d replayed\n", argv[i], count);
    }
    return argc > 1 ? 0 : 64;
}
