/* SPDX-License-Identifier: MIT */
#include "http/admin/whoami.h"

#include <string.h>

#define LOCAL "unix"

static h2o_iovec_t text_of(const char *text)
{
    return text != NULL ? h2o_iovec_init(text, strlen(text)) : h2o_iovec_init("", 0);
}

bool whoami_take(const struct whoami_question *question, struct client_evidence *ret_evidence)
{
    struct client_evidence evidence = {
        .is_local = strcmp(question->peer, LOCAL) == 0,
        .real_ip = text_of(question->real_ip),
        .forwarded_for = text_of(question->forwarded_for),
    };

    if (!evidence.is_local &&
        units_parse_ip(question->peer, strlen(question->peer), &evidence.peer) != 0) {
        return false;
    }
    *ret_evidence = evidence;
    return true;
}

void whoami_explain(const struct config *config, const struct client_evidence *evidence,
                    struct report *report)
{
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];
    enum client_source source = client_find(&config->trusted_proxies, evidence, &address);
    bool is_known = source != CLIENT_UNKNOWN;

    report_text(report, "client", is_known ? client_format(&address, text) : NULL);
    report_text(report, "from", client_source_text(source));
    report_text(report, "peer", evidence->is_local ? LOCAL : client_format(&evidence->peer, text));
    report_bool(report, "peer_is_trusted", source != CLIENT_UNTRUSTED);
    report_bool(report, "in_ignore_networks",
                is_known && client_is_in(&config->ignore_networks, &address));
}
