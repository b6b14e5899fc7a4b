/* SPDX-License-Identifier: MIT */
#include "http/server/request_head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct seen {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
};

static bool begins_with(const char *line, const char *name, size_t length)
{
    return strncasecmp(line, name, length) == 0;
}

static void look_at(const char *line, struct seen *seen)
{
    switch (*line | 0x20) {
    case 'h':
        seen->hosts += begins_with(line, H2O_STRLIT("host:"));
        break;
    case 'c':
        seen->lengths += begins_with(line, H2O_STRLIT("content-length:"));
        break;
    case 't':
        seen->encodings += begins_with(line, H2O_STRLIT("transfer-encoding:"));
        break;
    }
}

static const char *judge(const h2o_req_t *req, const struct seen *seen)
{
    if (seen->hosts == 1 && seen->lengths + seen->encodings <= 1) {
        return NULL;
    }
    if (seen->hosts > 1) {
        return "the request has two Host headers";
    }
    if (seen->lengths + seen->encodings > 1) {
        return "the request has two of Content-Length and Transfer-Encoding";
    }
    return req->version >= 0x101 ? "the request has no Host header" : NULL;
}

/* libh2o leaves the request in the socket's buffer, body and all, until it is answered */
const char *request_head_find_fault(const h2o_req_t *req)
{
    const char *line = req->conn->callbacks->get_socket(req->conn)->input->bytes;
    struct seen seen = {0};

    if (line[0] == '\r' && line[1] == '\n') {
        line += 2; /* an empty line before a request is skipped (RFC 9112, 2.2) */
    }
    for (;;) {
        const char *end = rawmemchr(line, '\n');

        if (end == line || end[-1] != '\r') {
            return "a line of the request ends without CR";
        }
        if (end == line + 1) {
            return judge(req, &seen);
        }
        line = end + 1;
        if (*line == ' ' || *line == '\t') {
            return "a header of the request continues on a second line";
        }
        look_at(line, &seen);
    }
}
