/* SPDX-License-Identifier: MIT */
/** judge: reads user agents, one per line, and writes "bot" or "visitor" for each. */
#include "http/visit/bots.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    struct bots *bots = bots_create(NULL);
    size_t capacity = 0;
    char *line = NULL;
    ssize_t length;

    while ((length = getline(&line, &capacity, stdin)) > 0) {
        length -= line[length - 1] == '\n';
        puts(bots_match(bots, line, (size_t)length) ? "bot" : "visitor");
    }
    free(line);
    bots_destroy(bots);
    return 0;
}
