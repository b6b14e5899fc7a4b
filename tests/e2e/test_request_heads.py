# SPDX-License-Identifier: MIT
"""Request heads that two servers may read differently: where a request ends, or its host. The daemon refuses them."""

import pytest

from harness.client import Connection, parse_answers, talk

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
COUNT = b"GET /count HTTP/1.1\r\n"
#: Heads that libh2o itself would refuse in plain text or without an answer, each with a word of our message.
REFUSED_BY_LIBH2O = {
    "101 headers": (COUNT + b"Host: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(100)) + b"\r\n", "100 headers"),
    "200 headers": (COUNT + b"A: b\r\n" * 200 + b"\r\n", "100 headers"),
    "a first header that is folded": (COUNT + b" Host: x\r\n\r\n", "first header"),
    "a first header that begins with a tab": (COUNT + b"\tHost: x\r\n\r\n", "first header"),
    "a space before the colon": (COUNT + b"Host : x\r\n\r\n", "colon"),
    "a tab before the colon": (COUNT + b"Host: x\r\nA\t: b\r\n\r\n", "colon"),
    "a space in a name": (COUNT + b"Host: x\r\nA b: c\r\n\r\n", "malformed"),
    "no name": (COUNT + b"Host: x\r\n: b\r\n\r\n", "malformed"),
    "no colon": (COUNT + b"Host: x\r\nA\r\n\r\n", "malformed"),
    "a bare CR in a value": (COUNT + b"Host: x\r\nA: b\rc\r\n\r\n", "CR without LF"),
    "a bare CR in a name": (COUNT + b"Host: x\r\nA\rB: c\r\n\r\n", "CR without LF"),
    "a bare CR in the first line": (b"GET /count\rX HTTP/1.1\r\nHost: x\r\n\r\n", "CR without LF"),
    "two CRs": (COUNT + b"Host: x\r\r\n\r\n", "CR without LF"),
    "a bare CR at the end": (COUNT + b"Host: x\r\n\rGET", "CR without LF"),
    "a NUL in a value": (COUNT + b"Host: x\r\nA: b\x00c\r\n\r\n", "control character"),
    "a control character in the target": (b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", "control character"),
    "no version": (b"GET /count\r\nHost: x\r\n\r\n", "malformed"),
    "another version": (b"GET /count HTTP/2.0\r\nHost: x\r\n\r\n", "malformed"),
    "a long version": (b"GET /count HTTP/1.10\r\nHost: x\r\n\r\n", "malformed"),
    "HTTP/2 from the start": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "control character"),
    "a space at the start": (b" GET /count HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"),
    "two spaces": (b"GET  /count HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"),
    "a head without end": (COUNT + b"Host: x\r\nA: " + 600000 * b"b", "400 KiB"),
    "a large head": (COUNT + b"Host: x\r\nA: " + 410000 * b"b" + b"\r\n\r\n", "400 KiB"),
    "a large target": (b"GET /" + 410000 * b"b" + b" HTTP/1.1\r\nHost: x\r\n\r\n", "400 KiB"),
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


@pytest.mark.parametrize("name", REFUSED_BY_LIBH2O)
def test_a_head_that_cannot_be_parsed_is_refused_by_us(daemon, store, name):
    """The head comes alone, and after a correct request on the same connection."""
    head, word = REFUSED_BY_LIBH2O[name]
    for before in (b"", TAKEN["the usual"]):
        *counted, answer = parse_answers(talk(daemon.address, before + head + TAKEN["the usual"]))
        assert (answer.status, answer.error) == (400, "bad_request")
        assert word in answer.json()["error"]["message"]
        assert answer.headers["connection"] == "close" and answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "no-store, max-age=0" and "date" in answer.headers
        assert [other.status for other in counted] == [200] * bool(before)
    assert store.total() == 1 and daemon.count() == 2


def test_a_head_that_arrives_in_pieces(daemon):
    with Connection(daemon.address) as connection:
        for byte in b"GET /count HTTP/1.1\r\nHost : x\r\n\r\n":
            connection.send(bytes([byte]))
        answer = connection.answer()
        assert (answer.status, answer.error) == (400, "bad_request")
        assert connection.is_closed_by_peer()


def test_a_bad_head_is_nobody_else_s(daemon):
    """A request whose body is still arriving is answered as usual."""
    with Connection(daemon.address) as connection:
        connection.send(START + b"Content-Length: 2\r\n\r\na")
        for _ in range(3):
            assert parse_answers(talk(daemon.address, COUNT + b"Host : x\r\n\r\n"))[0].status == 400
        connection.send("b")
        assert connection.answer().status == 200
        connection.send(TAKEN["the usual"])
        assert connection.answer().status == 200


def test_the_admin_socket_refuses_in_the_same_way(daemon):
    answer, = parse_answers(talk(daemon.admin_socket, b"GET /status HTTP/1.1\r\nHost : x\r\n\r\n"))
    assert (answer.status, answer.error) == (400, "bad_request") and "access-control-allow-origin" not in answer.headers


def test_a_bad_head_request_has_no_body(daemon):
    data = talk(daemon.address, b"HEAD /count HTTP/1.1\r\nHost : x\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 400 ") and data.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("body", [b"zz\r\nab\r\n0\r\n\r\n", b"2\rab\r\n0\r\n\r\n", b"fffffffffffffffffff\r\n"])
def test_chunks_that_cannot_be_parsed(daemon, body):
    answer, = parse_answers(talk(daemon.address, START + b"Transfer-Encoding: chunked\r\n\r\n" + body))
    assert (answer.status, answer.error) in ((400, "bad_request"), (413, "body_too_large"))


@pytest.mark.parametrize("name", TAKEN)
def test_a_right_head_counts(daemon, name):
    answers = parse_answers(talk(daemon.address, TAKEN[name] + TAKEN["the usual"]))
    assert [answer.status for answer in answers] == [200] * (1 if name == "HTTP/1.0" else 2)
    assert daemon.count() == len(answers) + 1


def test_a_refused_head_request_has_no_body(daemon):
    data = talk(daemon.address, b"HEAD /count HTTP/1.1\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 400 ") and data.endswith(b"\r\n\r\n")
