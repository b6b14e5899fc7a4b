# SPDX-License-Identifier: MIT
"""Request heads that two servers may read differently: where a request ends, or its host. The daemon refuses them."""

import pytest

from harness.client import parse_answers, talk

START = b"POST /count HTTP/1.1\r\nHost: x\r\n"
CHUNKS = b"2\r\nab\r\n0\r\n\r\n"
REFUSED = {
    "two lengths": START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "one length twice": START + b"Content-Length: 2\r\nA: b\r\ncontent-length: 2\r\n\r\nab",
    "length and coding": START + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "coding and length": START + b"Transfer-Encoding: chunked\r\nCONTENT-LENGTH: 2\r\n\r\n" + CHUNKS,
    "coding twice": START + b"Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKS,
    "folded": b"GET /count HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "folded by a tab": b"GET /count HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n",
    "a folded length": START + b"Content-Length:\r\n 2\r\n\r\nab",
    "no CR at all": b"GET /count HTTP/1.1\nHost: x\n\n",
    "no CR in one line": b"GET /count HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "no CR in the first line": b"GET /count HTTP/1.1\nHost: x\r\n\r\n",
    "no CR at the end": b"GET /count HTTP/1.1\r\nHost: x\r\n\n",
    "no Host": b"GET /count HTTP/1.1\r\nA: b\r\n\r\n",
    "no header": b"GET /count HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /count HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n",
}
TAKEN = {
    "the usual": b"GET /count HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty Host": b"GET /count HTTP/1.1\r\nHost:\r\n\r\n",
    "HTTP/1.0": b"GET /count HTTP/1.0\r\n\r\n",
    "an empty line before": b"\r\nGET /count HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length": START + b"Content-Length: 60000\r\n\r\n" + b"\n " * 30000,
    "chunks": START + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "similar names": START + b"Content-Length-2: 2\r\nHost-2: y\r\nX-Host: z\r\nContent-Length: 2\r\n\r\nab",
    "many headers": b"GET /count HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(98)) + b"\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_doubtful_head_is_refused(daemon, store, name):
    """The daemon answers with its own error, and does not read further bytes of the connection as a request."""
    answer, = parse_answers(talk(daemon.address, REFUSED[name] + TAKEN["the usual"]))
    assert (answer.status, answer.error) == (400, "bad_request")
    assert answer.headers["connection"] == "close" and answer.headers["access-control-allow-origin"] == "*"
    assert store.totals() == {}
    assert daemon.count() == 1


@pytest.mark.parametrize("name", TAKEN)
def test_a_right_head_counts(daemon, name):
    answers = parse_answers(talk(daemon.address, TAKEN[name] + TAKEN["the usual"]))
    assert [answer.status for answer in answers] == [200] * (1 if name == "HTTP/1.0" else 2)
    assert daemon.count() == len(answers) + 1


def test_a_refused_head_request_has_no_body(daemon):
    data = talk(daemon.address, b"HEAD /count HTTP/1.1\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 400 ") and data.endswith(b"\r\n\r\n")
