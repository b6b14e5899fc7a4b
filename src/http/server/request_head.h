/* SPDX-License-Identifier: MIT */
/**
 * request_head: refuses request heads on which two servers may disagree about where a request ends
 * or whom it is for (request smuggling, RFC 9112, 11.2). libh2o accepts them.
 */
#ifndef VISITCOUNTD_HTTP_REQUEST_HEAD_H
#define VISITCOUNTD_HTTP_REQUEST_HEAD_H

#include <h2o.h>

/**
 * Returns why the head of an HTTP/1 request is refused, or NULL if it is accepted. Refused are a
 * line that ends without CR, a header that continues on the next line, a Content-Length that is not
 * alone, two of Transfer-Encoding or Host, and no Host in HTTP/1.1.
 */
const char *request_head_find_fault(const h2o_req_t *req);

#endif
