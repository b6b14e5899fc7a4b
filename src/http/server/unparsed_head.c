/* SPDX-License-Identifier: MIT */
#include "http/server/unparsed_head.h"

#include <string.h>

/* the most headers that libh2o takes */
#define HEADERS_MAX 100

/* a line up to `end`, which is "\n" or the end of the bytes */
static const char *explain_line(const char *line, const char *end)
{
    for (const char *at = line; at < end; at++) {
        unsigned char c = (unsigned char)*at;

        if (c == '\r' && at + 1 < end) {
            return "the request has a CR without LF";
        }
        if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f) {
            return "the request has a control character";
        }
    }
    return NULL;
}

static const char *explain_header(const char *line, const char *end, size_t number)
{
    const char *colon = memchr(line, ':', (size_t)(end - line));

    if (number > HEADERS_MAX) {
        return "the request has more than 100 headers";
    }
    if (line < end && (*line == ' ' || *line == '\t')) {
        return number == 1 ? "the first header of the request begins with a space" : NULL;
    }
    if (colon != NULL && colon > line && (colon[-1] == ' ' || colon[-1] == '\t')) {
        return "the request has a space in front of the colon of a header";
    }
    return NULL;
}

const char *unparsed_head_explain(const char *bytes, size_t length)
{
    const char *end = bytes + length;
    const char *fault = NULL;
    size_t number = 0; /* of the header; 0: the request line */

    if (length >= 2 && bytes[0] == '\r' && bytes[1] == '\n') {
        bytes += 2;
    }
    while (fault == NULL && bytes < end) {
        const char *line_end = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *line = bytes;

        bytes = line_end != NULL ? line_end + 1 : end;
        line_end = line_end != NULL ? line_end : end;
        fault = explain_line(line, line_end);
        if (fault == NULL && number != 0) {
            fault = explain_header(line, line_end, number);
        }
        number++;
    }
    return fault != NULL ? fault : "the request line or a header is malformed";
}
