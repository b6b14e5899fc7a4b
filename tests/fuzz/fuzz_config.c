/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a config file. They are either loaded or refused with at least one whole line and no
 * part of one. A loaded config is printed and compared with itself.
 */
#include "config/config.h"
#include "fuzz.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *__lsan_default_suppressions(void);

/* libconfig 1.5 leaks a string in a place where no string is allowed */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

/** Whether the text is one or more lines of printable bytes or UTF-8. */
static bool is_lines(const struct buf *text)
{
    for (size_t i = 0; i < text->length; i++) {
        unsigned char c = (unsigned char)text->bytes[i];

        if ((c < 0x20 && c != '\n') || c == 0x7f) {
            return false;
        }
    }
    return text->length > 1 && text->bytes[text->length - 1] == '\n';
}

static void use_config(const struct config *config)
{
    struct address address;
    struct buf out = BUF_EMPTY;
    char *path = config_expand(config, config->admin_socket);

    config_print_text(config, &out);
    config_print_json(config, &out);
    config_redis_address(config, &address);
    check_that(strlen(path) <= 107);
    check_that(config->sites.count > 0);
    check_that(config->redis_port > 0 && config->redis_port <= 65535);
    check_that(config_store_backend(config) != STORE_BACKEND_AUTO);
    check_that(config_check_reload(config, config, &out));
    free(path);
    buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct config_request request = {.file = NULL};
    struct buf errors = BUF_EMPTY;
    struct config *config;
    char path[32];
    int fd = memfd_create("config", MFD_CLOEXEC);

    check_that(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    request.file = path;
    config = config_load(&request, &errors);
    if (config != NULL) {
        check_that(errors.length == 0);
        use_config(config);
    } else {
        check_that(is_lines(&errors));
    }
    config_unload(config);
    buf_finish(&errors);
    close(fd);
    return 0;
}
