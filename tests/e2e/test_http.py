# SPDX-License-Identifier: MIT
"""Correct, wrong, incomplete and too large requests. On SQLite only, because the store does not matter here."""

import re
import socket
import struct

import pytest

from harness import Connection, SqliteStore, parse_answers, talk, wait_until
from harness.client import Closed

HOST = b"Host: x\r\n"
NO_STORE = "no-store, max-age=0"


@pytest.fixture
def store(directory):
    return SqliteStore(directory / "visits.db")


@pytest.fixture
def daemon(new_daemon, store):
    """A daemon that must still count at the end of each test, and must have counted all visits that it answered as counted."""
    daemon = new_daemon({"http.idle_timeout": "1s", **store.settings}).wait_for_store()
    yield daemon
    before = store.total()
    assert daemon.count() == before + 1
    assert sum(store.totals().values()) == daemon.status()["visits"]["applied"]


def request(target, method=b"GET", headers=b"", body=b"", version=b"HTTP/1.1"):
    target = target.encode() if isinstance(target, str) else target
    return method + b" " + target + b" " + version + b"\r\n" + HOST + headers + b"\r\n" + body


def ask(daemon, data):
    """Sends bytes and returns the one answer."""
    (answer,) = parse_answers(talk(daemon.address, data))
    return answer


# --- targets ---

def test_a_page_that_is_too_long_is_414(daemon, store):
    for length in (8192, 20000, 100000):
        for kind in ("hit", "get"):
            answer = ask(daemon, request(f"/v1/{kind}/default/" + "x" * length))
            assert (answer.status, answer.error) == (414, "page_too_long")
    assert ask(daemon, request("/v1/hit/default/" + "//" * 4000 + "x")).json()["page"] == "/x"
    assert store.totals() == {("default", "/x"): 1}


def test_a_long_page_is_cut(daemon, store):
    """It ends with a hash of all of it, so two long pages with one beginning are two pages."""
    assert ask(daemon, request("/v1/hit/default/" + "%78" * 511)).json()["page"] == "/" + "x" * 511
    pages = set()
    for length in (512, 513, 4000, 8191):
        for number in (1, 2):
            answer = ask(daemon, request("/v1/hit/default/" + ("x" if number == 1 else "%78" if length < 2700 else "x") * length)).json()
            assert re.fullmatch("/x{494}~[0-9a-f]{16}", answer["page"]) and answer["count"] == number
        assert ask(daemon, request("/v1/get/default/" + "x" * length)).json()["count"] == 2
        pages.add(answer["page"])
    assert len(pages) == 4 and len(store.totals()) == 5


def test_a_page_that_does_not_decode_is_spelled(daemon, store):
    """A bare "%" and bytes that are not UTF-8: the segment stays as it was written, in one spelling."""
    same = [("100%", "100%25"), ("caf%e9", "caf%E9", b"caf\xe9", "caf%25E9"), ("%c3%28", "%C3%28"), ("%zz%4",), ("%ed%a0%80", "%ED%a0%80"),
            ("a%2fb%ff", "a%2Fb%FF"), ("%c3%a9%", "%C3%A9%", b"\xc3\xa9%")]
    for spellings in same:
        for number, path in enumerate(spellings, 1):
            path = path if isinstance(path, bytes) else path.encode()
            answer = ask(daemon, request(b"/v1/hit/default/" + path)).json()
            assert answer["count"] == number, answer
    assert {page for _, page in store.totals()} == {"/100%", "/caf%E9", "/%C3%28", "/%zz%4", "/%ED%A0%80", "/a%2Fb%FF", "/%C3%A9%"}


def test_a_request_line_of_a_megabyte_is_refused(daemon):
    data = talk(daemon.address, request("/v1/hit/default/" + "x" * 1000000))
    assert data.startswith(b"HTTP/1.1 400 ") or data == b""


@pytest.mark.parametrize("route", ["hit", "get"])
def test_a_page_that_is_none_is_400(daemon, store, route):
    bad = ["..", "../x", "a/../b", "a/..", "%2e%2e/x", "%2e", "./a", "..%2fx", "a/%2e%2e%2fb",  # dots
           "%00", "a%00b", "%0a", "a%0d%0aSet-Cookie:x", "%1b[31m", "%7f", "%c2%85", "%09"]  # control characters
    for path in bad:
        path = path if isinstance(path, bytes) else path.encode()
        answer = ask(daemon, request(b"/v1/" + route.encode() + b"/default/" + path))
        assert (answer.status, answer.error) == (400, "bad_page"), path
        assert answer.headers.get("visitcount-status") == ("refused; reason=bad-page" if route == "hit" else None)
    assert store.totals() == {}


@pytest.mark.parametrize("site", ["", "UPPER", "a b", "..", ".", "a%2Fb", "x" * 65, "%00", "{a}", "ü", "*"])
def test_a_site_that_is_none_is_400(daemon, store, site):
    data = talk(daemon.address, request(f"/v1/hit/{site}/x"))
    assert data.startswith(b"HTTP/1.1 400 ")
    if " " not in site:  # a blank ends the target, so this is not a request
        assert parse_answers(data)[0].error == "bad_site"
    assert store.totals() == {}


def test_an_unknown_route_is_404_in_json(daemon):
    for target in ("/nope", "/count/", "/COUNT", "/count.jsonx", "/v1", "/v1/", "/v1/hits/default/x", "/admin", "/status",
                   "/metrics", "/favicon.ico", "//count", "/../count", "/%63ount"):
        answer = ask(daemon, request(target))
        assert (answer.status, answer.error) == (404, "not_found"), target
        assert answer.headers["cache-control"] == NO_STORE
        assert answer.headers["access-control-allow-origin"] == "*"


def test_absolute_form_is_the_path_in_it(daemon, store):
    assert ask(daemon, request("http://evil.example/count?x=/livez")).number == 1
    assert ask(daemon, request("HTTPS://evil.example:80/v1/hit/default/x#y")).json()["page"] == "/x"
    assert "<!doctype html>" in ask(daemon, request("http://evil.example")).text
    assert "<!doctype html>" in ask(daemon, request("http://evil.example?x")).text
    for target in ("http://", "http:///count", "ftp://x/count", "count", "*", "x:443"):
        assert ask(daemon, request(target)).error == "bad_target", target
    assert store.totals() == {("default", "/"): 1, ("default", "/x"): 1}


# --- methods ---

def test_a_method_that_is_not_taken_is_405_with_allow(daemon, store):
    for target, allow in [("/count", "GET, HEAD, POST, OPTIONS"), ("/v1/hit/default/x", "GET, HEAD, POST, OPTIONS"),
                          ("/v1/get/default/x", "GET, HEAD, POST, OPTIONS"), ("/count.js", "GET, HEAD, OPTIONS"),
                          ("/livez", "GET, HEAD, OPTIONS")]:
        for method in (b"PUT", b"DELETE", b"PATCH", b"TRACE", b"get", b"X" * 5000):
            answer = ask(daemon, request(target, method))
            assert (answer.status, answer.error, answer.headers["allow"]) == (405, "method_not_allowed", allow), (target, method)
    assert ask(daemon, request("/livez", b"POST")).status == 405
    assert store.totals() == {}


def test_connect_is_refused(daemon):
    assert ask(daemon, request("x.example:443", b"CONNECT")).status == 400


def test_options_tells_what_pages_elsewhere_may_do(daemon):
    headers = daemon.fetch("/v1/hit/default/x", "OPTIONS").headers
    assert headers["allow"] == headers["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS"
    assert headers["access-control-allow-origin"] == "*"
    assert "idempotency-key" in headers["access-control-allow-headers"]
    assert "content-length" not in headers
    assert ask(daemon, request("*", b"OPTIONS")).status == 204
    assert daemon.fetch("/nope", "OPTIONS").status == 404


def test_head_has_the_headers_of_get_and_no_body(daemon):
    for target, status in [("/", 200), ("/livez", 200), ("/readyz", 200), ("/v1/get/default/", 200), ("/nope", 404),
                           ("/v1/get/default/..", 400)]:
        got, head = daemon.fetch(target), daemon.fetch(target, "HEAD")
        assert (got.status, head.status, head.body) == (status, status, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers.get("content-length", str(len(got.body))) == str(len(got.body))


# --- headers of answers ---

def test_no_answer_may_be_cached(daemon):
    """No cache on the way may store a number or an error. Without our header HTTP would allow that for 404, 405 and 414."""
    for target, status in [("/count", 200), ("/count.json", 200), ("/v1/hit/default/x", 200), ("/v1/get/default/x", 200),
                           ("/", 200), ("/livez", 200), ("/readyz", 200), ("/nope", 404), ("/v1/hit/other/x", 404),
                           ("/v1/hit/default/..", 400), ("/v1/hit/default/" + "x" * 8192, 414)]:
        answer = daemon.fetch(target)
        assert answer.status == status
        assert answer.headers["cache-control"] == NO_STORE, target
        assert answer.headers["x-content-type-options"] == "nosniff", target
        assert "server" not in answer.headers, target
    assert daemon.fetch("/count", "PUT").headers["cache-control"] == NO_STORE


def test_scripts_of_other_origins_may_read_the_answers(daemon):
    for target in ("/count", "/v1/hit/default/x", "/v1/get/default/x", "/nope"):
        headers = daemon.fetch(target, headers={"Origin": "https://blog.example"}).headers
        assert headers["access-control-allow-origin"] == "*"
        assert "visitcount-status" in headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in headers


def test_the_pages_may_load_nothing_and_be_framed_by_nobody(daemon):
    for target in ("/", "/count"):
        policy = daemon.fetch(target, headers={"Accept": "text/html"}).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy


# --- headers and bodies of requests ---

def test_a_hundred_headers_and_not_one_more(daemon):
    assert ask(daemon, request("/count", headers=b"A: b\r\n" * 99)).number == 1
    assert ask(daemon, request("/count", headers=b"A: b\r\n" * 100)).status == 400


def test_headers_of_half_a_megabyte_are_refused(daemon):
    assert ask(daemon, request("/count", headers=b"X: " + b"y" * 600000 + b"\r\n")).status == 400


def test_a_body_of_64_kib_and_not_more(daemon, store):
    for size, status in [(65536, 200), (65537, 413), (71680, 413), (10_000_000, 413)]:
        length = b"Content-Length: %d\r\n" % size
        assert ask(daemon, request("/count", b"POST", length, b"x" * size)).status == status, size
    chunks = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    for count, status in [(15, 200), (18, 413)]:  # libh2o counts the bytes of the chunk headers too
        answer = ask(daemon, request("/count", b"POST", b"Transfer-Encoding: chunked\r\n", chunks * count + b"0\r\n\r\n"))
        assert answer.status == status
    assert answer.error == "body_too_large"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == NO_STORE
    assert store.total() == 2


def test_a_body_that_is_announced_too_long_is_refused_before_it_is_sent(daemon):
    with Connection(daemon.address) as connection:
        connection.send(request("/count", b"POST", b"Content-Length: 100000\r\n"))
        assert connection.answer().status == 413


def test_a_broken_body_is_400(daemon, store):
    for headers, body in [(b"Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n"), (b"Content-Length: -3\r\n", b"abc"),
                          (b"Content-Length: 3x\r\n", b"abc"), (b"Content-Length: 99999999999999999999\r\n", b"abc")]:
        assert ask(daemon, request("/count", b"POST", headers, body)).status == 400, headers
    assert store.totals() == {}


def test_expectations(daemon):
    with Connection(daemon.address) as connection:
        connection.send(request("/count", b"POST", b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        assert connection.answer().status == 100
        connection.send(b"abc")
        assert connection.answer().number == 1
    answer = ask(daemon, request("/count", b"POST", b"Expect: coffee\r\nContent-Length: 3\r\n", b"abc"))
    assert (answer.status, answer.error) == (417, "expectation_failed")
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, b"GET /count\r\n\r\n",
                                  b"GET /count\0 HTTP/1.1\r\n\r\n", b"GET  /count HTTP/1.1\r\n\r\n", b"\r\n\r\n\r\n",
                                  b"GET /v1/hit/default/a b HTTP/1.1\r\n\r\n", b"GET /count HTTP/1.1\r\nno colon\r\n\r\n",
                                  b"GET /count HTTP/9.9\r\n\r\n", b"GET /count HTTP/1.1\r\n: x\r\n\r\n", b"\0" * 1000,
                                  b"GET /count HTTP/1.1\r\nA\0: x\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"*1\r\n$4\r\nPING\r\n"],
                         ids=lambda data: repr(data[:24]))
def test_what_is_not_http_is_refused(daemon, store, data):
    answer = talk(daemon.address, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer
    assert store.totals() == {}


# --- versions and upgrades ---

def test_http_1_0(daemon):
    """The connection closes after the answer unless the client asks to keep it."""
    with Connection(daemon.address) as connection:
        connection.send(b"GET /count HTTP/1.0\r\n\r\n")
        assert connection.answer().number == 1
        assert connection.is_closed_by_peer()
    with Connection(daemon.address) as connection:
        for number in (2, 3):
            connection.send(b"GET /count HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert connection.answer().number == number


def test_connection_close_is_obeyed(daemon):
    with Connection(daemon.address) as connection:
        connection.send(request("/count", headers=b"Connection: close\r\n"))
        assert connection.answer().headers["connection"] == "close"
        assert connection.is_closed_by_peer()


def test_a_request_of_http_1_0_needs_no_host(daemon):
    assert ask(daemon, b"GET /count HTTP/1.0\r\n\r\n").number == 1


def test_http_2_is_not_spoken(daemon):
    """libh2o 2.2 supports it without TLS by default, with CVEs that the package does not patch."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    answer = talk(daemon.address, preface)
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("headers", [b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                                     b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"])
def test_an_upgrade_is_answered_in_http_1(daemon, headers):
    answer = ask(daemon, request("/count", headers=headers))
    assert (answer.status, answer.number) == (200, 1)


# --- several requests on one connection ---

def test_pipelined_requests_are_answered_in_order_and_counted_once(daemon, store):
    answers = parse_answers(talk(daemon.address, request("/count") * 200))
    assert [answer.number for answer in answers] == list(range(1, 201))
    assert store.total() == 200


def test_pipelined_requests_of_all_kinds(daemon):
    """Immediate answers must not overtake answers that wait for the store."""
    data = (request("/count") + request("/livez") + request("/nope") + request("/count", b"POST", b"Content-Length: 3\r\n", b"abc")
            + request("/v1/get/default/") + request("/v1/hit/default/..") + request("/count.json"))
    answers = parse_answers(talk(daemon.address, data))
    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200, 400, 200]
    assert answers[0].number == 1
    assert answers[1].text == "ok\n"
    assert answers[3].number == 2
    assert answers[4].json()["count"] == 2
    assert answers[6].json()["count"] == 3


def test_requests_in_small_pieces(daemon):
    with Connection(daemon.address) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("/count", b"POST", b"Content-Length: 3\r\n", b"abc"):
            connection.send(bytes([byte]))
        assert connection.answer().number == 1


# --- clients that do not behave ---

def test_half_a_request_is_not_counted(daemon, store):
    for data in (b"GET /count HTTP/1.1\r\nHost:", b"GET /cou", b"POST /count HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"):
        with Connection(daemon.address) as connection:
            connection.send(data)  # and the client leaves
        assert talk(daemon.address, data) == b"", "an end of input"
    assert store.totals() == {}


def test_half_a_request_is_not_waited_for_forever(daemon, store):
    """http.idle_timeout, here 1 s, ends each half request, which would otherwise hold a connection."""
    halves = [Connection(daemon.address) for _ in range(20)]
    for half in halves:
        half.send(b"GET /count HTTP/1.1\r\nHost:")
    for half in halves:
        assert half.is_closed_by_peer()
        half.socket.close()
    assert store.totals() == {}


def test_an_idle_connection_is_closed(daemon):
    with Connection(daemon.address) as connection:
        connection.send(request("/count"))
        assert connection.answer().number == 1
        assert connection.is_closed_by_peer()


def test_a_client_that_takes_no_answers_is_dropped(daemon):
    """The client requests pages and reads no answer. It must not hold memory or a connection."""
    with Connection(daemon.address) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.socket.settimeout(0.2)
        with pytest.raises((TimeoutError, ConnectionError)):
            for _ in range(20000):
                connection.send(request("/") * 50)
        wait_until(lambda: daemon.status()["connections"]["open"] == 0, "the connection is dropped")


def test_clients_that_leave_before_their_answer(daemon, store):
    """Clients leave with an end or a reset. Their visits may count. All visits of other clients count, each with its own number."""
    for i in range(60):
        with Connection(daemon.address) as connection:
            if i % 2:
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.send(request("/count") * (1 + i % 3))
    wait_until(lambda: daemon.status()["connections"]["open"] == 0, "their connections are gone")
    first = daemon.count()
    assert daemon.count() == first + 1
    assert store.total() == first + 1 <= 122


def test_a_client_that_ends_its_input_still_gets_its_answers(daemon):
    assert [answer.number for answer in parse_answers(talk(daemon.address, request("/count") * 3))] == [1, 2, 3]


def test_many_idle_connections_keep_nobody_out(new_daemon, directory):
    daemon = new_daemon({"http.idle_timeout": "30s"})
    idle = [Connection(daemon.address) for _ in range(1000)]
    assert daemon.count() == 1
    assert daemon.status()["connections"]["open"] >= 1000
    for connection in idle:
        connection.socket.close()
    wait_until(lambda: daemon.status()["connections"]["open"] == 0, "they are gone")


def test_more_connections_than_allowed_wait(new_daemon):
    """With http.max_connections the next connection is answered once another one has closed. None is refused."""
    daemon = new_daemon({"http.max_connections": 16, "http.idle_timeout": "30s"})
    held = [Connection(daemon.address) for _ in range(16)]
    wait_until(lambda: daemon.status()["connections"]["open"] == 16, "16 are open")
    with Connection(daemon.address, timeout=0.3) as late:
        late.send(request("/count"))
        with pytest.raises(TimeoutError):
            late.answer()
        held.pop().socket.close()
        late.socket.settimeout(30)
        assert late.answer().number == 1
    for connection in held:
        connection.socket.close()


def test_closed_is_told_apart():
    """A test of the harness: an answer that is cut off is an error."""
    with pytest.raises(Closed):
        parse_answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")
