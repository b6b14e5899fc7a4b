/* SPDX-License-Identifier: MIT */
#include "config/origin.h"

#include "base/units.h"
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX 63 /* of a host name, RFC 1035 */

static const char host_marks[] = "abcdefghijklmnopqrstuvwxyz0123456789-._[]:";

/** Returns the host after "http://" or "https://", or NULL. */
static const char *host_of(const char *text)
{
    return strncasecmp(text, "https://", 8) == 0  ? text + 8
           : strncasecmp(text, "http://", 7) == 0 ? text + 7
                                                  : NULL;
}

static bool is_host(const char *host)
{
    struct address address;
    struct buf with_port = BUF_EMPTY;
    int rc;

    if (host[0] == '\0' || host[strspn(host, host_marks)] != '\0') {
        return false;
    }
    /* a port follows the last colon, unless the colon is part of an IPv6 address */
    buf_printf(&with_port, strchr(host, ']') == NULL && strchr(host, ':') != NULL ? "%s" : "%s:1",
               host);
    rc = strstr(host, "]:") != NULL ? address_parse(host, &address)
                                    : address_parse(with_port.bytes, &address);
    buf_finish(&with_port);
    return rc >= 0 && !address.is_unix && address.port != 0;
}

bool origin_is_valid(const char *text)
{
    const char *host = host_of(text);

    if (host == NULL || text[0] != 'h' || text[strcspn(text, "HTPS")] != '\0') {
        return false;
    }
    if (strncmp(host, "*.", 2) == 0) {
        host += 2;
        return strchr(host, '.') != NULL && host[0] != '.' && is_host(host);
    }
    return is_host(host);
}

/* --- the right form --- */

/* RFC 3492, section 6.1 */
static uint32_t adapt(uint32_t delta, uint32_t count, bool is_first)
{
    uint32_t k = 0;

    delta = is_first ? delta / 700 : delta / 2;
    delta += delta / count;
    for (; delta > 455; k += 36) {
        delta /= 35;
    }
    return k + 36 * delta / (delta + 38);
}

/* appends a number in Punycode's digits; RFC 3492, section 6.3 */
static void put_delta(struct buf *out, uint32_t delta, uint32_t bias)
{
    for (uint32_t k = 36;; k += 36) {
        uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;

        if (delta < t) {
            break;
        }
        buf_putc(out, "abcdefghijklmnopqrstuvwxyz0123456789"[t + (delta - t) % (36 - t)]);
        delta = (delta - t) / (36 - t);
    }
    buf_putc(out, "abcdefghijklmnopqrstuvwxyz0123456789"[delta]);
}

/* appends a label of `count` characters in ASCII: "xn--" and Punycode if it has others */
static void put_label(struct buf *out, const uint32_t *characters, uint32_t count)
{
    uint32_t n = 128;
    uint32_t delta = 0;
    uint32_t bias = 72;
    uint32_t basic = 0;
    uint32_t handled;

    for (uint32_t i = 0; i < count; i++) {
        basic += characters[i] < 128 ? 1 : 0;
    }
    buf_puts(out, basic < count ? "xn--" : "");
    for (uint32_t i = 0; i < count; i++) {
        if (characters[i] < 128) {
            buf_putc(out, (char)characters[i]);
        }
    }
    if (basic < count && basic != 0) {
        buf_putc(out, '-');
    }
    for (handled = basic; handled < count; n++, delta++) {
        uint32_t next = UINT32_MAX;

        for (uint32_t i = 0; i < count; i++) {
            next = characters[i] >= n && characters[i] < next ? characters[i] : next;
        }
        delta += (next - n) * (handled + 1);
        n = next;
        for (uint32_t i = 0; i < count; i++) {
            delta += characters[i] < n ? 1 : 0;
            if (characters[i] == n) {
                put_delta(out, delta, bias);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled++;
            }
        }
    }
}

/* lower case of ASCII, Latin-1, Greek and Cyrillic; others stay */
static uint32_t lower(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
        (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) {
        return c + 32;
    }
    return c >= 0x400 && c <= 0x40f ? c + 80 : c;
}

/* appends a host as a browser writes it; returns false if that cannot be said */
static bool put_host(struct buf *out, const char *host, size_t length)
{
    uint32_t label[LABEL_MAX];
    uint32_t count = 0;

    for (size_t at = 0, sequence; at < length; at += sequence) {
        uint32_t c;

        sequence = utf8_sequence_length(host + at, length - at);
        if (sequence == 0 || count == LABEL_MAX) {
            return false;
        }
        c = lower(utf8_decode(host + at, sequence));
        if (c == '.' || c == ':' || c == 0x3002) { /* an ideographic full stop is one, too */
            put_label(out, label, count);
            buf_putc(out, c == ':' ? ':' : '.');
            count = 0;
        } else {
            label[count++] = c;
        }
    }
    put_label(out, label, count);
    return true;
}

void origin_explain(const char *text, struct buf *out)
{
    const char *host = host_of(text);
    struct buf right = BUF_EMPTY;

    if (strcmp(text, "null") == 0) {
        buf_puts(out, "; a browser sends \"null\" for pages of any origin, so it admits anybody; "
                      "leave origins out for that");
        return;
    }
    if (strcmp(text, "*") == 0) {
        buf_puts(out, "; leave origins out to admit any origin");
        return;
    }
    if (host == NULL && strstr(text, "://") == NULL) {
        host = text;
    }
    if (host == NULL) {
        return;
    }
    buf_puts(&right, host == text || strncasecmp(text, "https", 5) == 0 ? "https://" : "http://");
    if (strncmp(host, "*.", 2) == 0) {
        buf_puts(&right, "*.");
        host += 2;
    }
    if (put_host(&right, host, strcspn(host, "/?#"))) {
        buf_putc(&right, '\0');
        if (origin_is_valid(right.bytes)) {
            buf_printf(out, "; a browser writes it \"%s\"", right.bytes);
        }
    }
    buf_finish(&right);
}

/* --- matching --- */

/** Returns the length of a rule without a default port. */
static size_t length_without_default_port(const char *rule)
{
    const char *port = rule[4] == 's' ? ":443" : ":80";
    size_t length = strlen(rule);
    size_t port_length = strlen(port);

    return length > port_length && strcmp(rule + length - port_length, port) == 0
               ? length - port_length
               : length;
}

bool origin_matches(const char *rule, const char *origin, size_t length)
{
    size_t rule_length = length_without_default_port(rule);
    const char *star = strstr(rule, "://*.");
    size_t start;
    size_t end;

    if (star == NULL) {
        return rule_length == length && memcmp(rule, origin, length) == 0;
    }
    start = (size_t)(star - rule) + 3; /* length of the scheme with "://" */
    end = rule_length - start - 1;     /* length of the rest after "*", with its "." */
    if (length <= start + end || memcmp(rule, origin, start) != 0 ||
        memcmp(star + 4, origin + length - end, end) != 0) {
        return false;
    }
    for (size_t i = start; i < length - end; i++) {
        if (strchr(host_marks, origin[i]) == NULL || origin[i] == ':' || origin[i] == '[') {
            return false;
        }
    }
    return origin[start] != '.';
}
