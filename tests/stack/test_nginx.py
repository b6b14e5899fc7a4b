# SPDX-License-Identifier: MIT
"""The shipped etc/nginx/visitcountd.conf in front of instances with chosen faults. The instances are on unix sockets, as shipped, and on ports, as on
other machines."""

import collections
import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import ssl
import statistics
import subprocess
import threading
import time

import pytest

from stack_tools import NGINX_FILES, free_ports, program, wait_for

LISTEN = "listen 5002;"
#: The limit of an instance while others stand by. It is so low that the test reaches it long before nginx gives up the first instance.
MAX_CONNS = 8

REFUSED_BY_ALL, MAY_BE_COUNTED = "refused; reason=store-unavailable", "unknown; reason=broken-off"

#: Bodies of these answers. An instance sends the first one.
REFUSAL = b'{"error":{"code":"store_unavailable","message":"the store is not available; this visit was not counted"}}\n'
DOUBT = REFUSAL.replace(b"was not counted", b"may be counted, by an instance that broke off")


class Instance:
    """A fake instance on a port or a unix socket. It records each request and gives the answer that the test chooses."""

    def __init__(self, address):
        self.address = address
        self.requests = []
        self.answer = answer_ok
        self.lingering = threading.Event()
        if isinstance(address, int):
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", address), self.handler())
        else:
            self.server = socketserver.ThreadingUnixStreamServer(str(address), self.handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def handler(self):
        instance = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                instance.requests.append((self.command, self.path, self.headers, body))
                instance.answer(instance, self)

            do_POST = do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler

    def name(self):
        """The name in nginx's list."""
        return f"127.0.0.1:{self.address}" if isinstance(self.address, int) else f"unix:{self.address}"

    def stop(self):
        """Stops as after kill -9: the file of a unix socket stays."""
        self.lingering.set()
        self.server.shutdown()
        self.server.server_close()


def respond(request, status, body, content_type="application/json", outcome="counted"):
    request.send_response(status)
    request.send_header("Visitcount-Status", outcome)
    request.send_header("Content-Type", content_type)
    request.send_header("Content-Length", str(len(body)))
    if status == 503:
        request.send_header("Retry-After", "2")
    request.end_headers()
    request.wfile.write(body)


def answer_ok(_, request):
    respond(request, 200, b"{}\n")


def answer_503(_, request):
    respond(request, 503, REFUSAL, outcome=REFUSED_BY_ALL)


def break_off(_, request):
    """Closes the connection after it has read the request, so the visit may have been counted."""
    request.close_connection = True
    request.connection.shutdown(socket.SHUT_RDWR)


def send_one_event_and_linger(instance, request):
    request.send_response(200)
    request.send_header("Content-Type", "text/event-stream")
    request.end_headers()
    request.wfile.write(b"data: 1\n\n")
    request.wfile.flush()
    instance.lingering.wait(30)
    request.close_connection = True


class Nginx:
    """A real nginx with Debian's layout: conf.d/*.conf is in the http context, the list is next to nginx.conf."""

    def __init__(self, directory, port, instances, *, stands_by=False, text=None):
        """`stands_by` selects the second variant of the list: the first instance serves and the others stand by. `text` replaces the shipped
        visitcountd.conf."""
        self.directory = directory
        self.port = port
        (directory / "conf.d").mkdir()
        text = text or (NGINX_FILES / "visitcountd.conf").read_text()
        assert text.count(LISTEN) == 1
        (directory / "conf.d" / "visitcountd.conf").write_text(text.replace(LISTEN, f"listen {port};"))
        servers = (NGINX_FILES / "visitcountd-upstream.conf").read_text()
        if stands_by:
            servers = re.sub(r"^server .*\n", "", servers, flags=re.M).replace("#server ", "server ")
            servers, limited = re.subn(r"\bmax_conns=\d+", f"max_conns={MAX_CONNS}", servers)
            assert limited == 1
        for number, instance in enumerate(instances, 1):
            servers, replaced = re.subn(rf"^server unix:/run/visitcountd/http-{number}\.sock\b", f"server {instance.name()}", servers,
                                        flags=re.M)
            assert replaced == 1
        (directory / "visitcountd-upstream.conf").write_text(servers)
        write_main_conf(directory)
        self.process = subprocess.Popen([*nginx_command(directory), "-g", "daemon off;"], start_new_session=True)
        wait_for(self.listens, "nginx listens")

    def listens(self):
        assert self.process.poll() is None, (self.directory / "error.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def request(self, method, path, body=None, headers=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        response.content = response.read()
        connection.close()
        return response

    def send_raw(self, data):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            response = http.client.HTTPResponse(connection)
            response.begin()
            response.content = response.read()
            return response


def nginx_command(directory):
    return [program("nginx", "nginx-light"), "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")]


def write_main_conf(directory):
    temporary = "".join(f"{kind}_temp_path {kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root; " if os.geteuid() == 0 else ""  # the user that may enter the directory
    (directory / "nginx.conf").write_text(
        f"{user}worker_processes 2; pid nginx.pid; error_log error.log;\nevents {{ worker_connections 768; }}\n"
        f"http {{ {temporary} include conf.d/*.conf; }}\n")


@pytest.fixture(params=["unix", "tcp"])
def instances(request, directory):
    addresses = free_ports(3) if request.param == "tcp" else [directory / f"http-{number}.sock" for number in (1, 2, 3)]
    made = [Instance(address) for address in addresses]
    yield made
    for instance in made:
        instance.stop()


@pytest.fixture
def nginx(tmp_path, instances):
    server = Nginx(tmp_path, free_ports(1)[0], instances)
    yield server
    server.stop()


@pytest.fixture
def standby(tmp_path, instances):
    server = Nginx(tmp_path, free_ports(1)[0], instances, stands_by=True)
    yield server
    server.stop()


def seen(instances):
    return [request for instance in instances for request in instance.requests]


def test_the_files_as_they_are_pass_nginx_t(tmp_path):
    (tmp_path / "conf.d").mkdir()
    shutil.copy(NGINX_FILES / "visitcountd.conf", tmp_path / "conf.d")
    shutil.copy(NGINX_FILES / "visitcountd-upstream.conf", tmp_path)
    write_main_conf(tmp_path)
    result = subprocess.run([*nginx_command(tmp_path), "-t"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "test is successful" in result.stderr
    assert "warn" not in result.stderr


def test_the_block_for_tls_works_once_it_is_uncommented(tmp_path, instances):
    """The test runs the command in the file, with its own certificate and port."""
    port, plain = free_ports(2)
    subprocess.run([program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", tmp_path / "key.pem",
                    "-out", tmp_path / "fullchain.pem"], check=True, capture_output=True)
    text = (NGINX_FILES / "visitcountd.conf").read_text()
    script, = re.findall(r"^ *# +sed -i '(\S+ .*)' /etc/nginx/conf.d/visitcountd.conf$", text, re.M)
    text = subprocess.run(["sed", script], input=text, capture_output=True, text=True, check=True).stdout
    assert "#tls" not in re.sub(r"^ *# .*", "", text, flags=re.M)
    for before, after in (("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("/etc/ssl/visitcountd", str(tmp_path))):
        assert before in text
        text = text.replace(before, after)
    server = Nginx(tmp_path, plain, instances, text=text)
    try:
        context = ssl.create_default_context(cafile=tmp_path / "fullchain.pem")
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, \
                context.wrap_socket(connection, server_hostname="localhost") as encrypted:
            encrypted.sendall(b"GET /v1/hit/s/p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert encrypted.recv(4096).startswith(b"HTTP/1.1 200 ")
            assert encrypted.version() == "TLSv1.3"
        assert seen(instances)[0][2]["X-Forwarded-Proto"] == "https"
        tested = subprocess.run([*nginx_command(tmp_path), "-t"], capture_output=True, text=True, check=False)
        assert tested.returncode == 0 and "warn" not in tested.stderr, tested.stderr
    finally:
        server.stop()


def test_idle_connections_are_closed_before_the_daemon_closes_them():
    """If nginx kept them for longer than the daemon's 10 s, it could send a request on a connection that is just closing."""
    upstream = re.search(r"upstream visitcountd \{(.*?)\n\}", (NGINX_FILES / "visitcountd.conf").read_text(), re.S)
    seconds = int(re.search(r"^\s*keepalive_timeout (\d+)s;", upstream[1], re.M)[1])
    assert seconds < 10


def test_a_request_arrives_byte_for_byte(nginx, instances):
    path = "/v1//hit/a.site/%E4%BD%A0/%2e%2e/b%2Fc?readonly=1&x=%20"
    assert nginx.request("GET", path).status == 200
    assert [request[1] for request in seen(instances)] == [path]


def test_the_address_of_the_client_is_nginx_s_word_and_not_the_client_s(nginx, instances):
    nginx.request("GET", "/count", headers={
        "X-Real-IP": "192.0.2.1", "X-Forwarded-For": "192.0.2.1", "X-Request-Id": "chosen", "Idempotency-Key": "mine"})
    (_, _, headers, _), = seen(instances)
    assert headers.get_all("X-Real-IP") == ["127.0.0.1"]
    assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
    assert re.fullmatch("[0-9]{10}[.][0-9]{3}-[0-9a-f]{32}", headers["X-Request-Id"])
    assert headers["Idempotency-Key"] == "mine"
    assert headers["Host"] == f"127.0.0.1:{nginx.port}"


def test_two_visits_have_two_request_ids(nginx, instances):
    for _ in range(2):
        nginx.request("GET", "/count")
    assert len({request[2]["X-Request-Id"] for request in seen(instances)}) == 2


def test_connections_to_the_instances_are_kept(nginx, instances):
    peers = collections.Counter()

    def answer_and_note(_, request):
        peers[request] += 1  # one for each connection
        answer_ok(_, request)

    for instance in instances:
        instance.answer = answer_and_note
    for _ in range(60):
        nginx.request("GET", "/count")
    # At most one connection for each pair of two workers and three instances.
    assert sum(peers.values()) == 60 and len(peers) <= 6


def test_an_instance_that_is_down_costs_nothing(nginx, instances):
    instances[0].stop()
    instances[1].stop()
    if not isinstance(instances[0].address, int):
        instances[0].address.unlink()  # as systemd does
    for _ in range(20):
        assert nginx.request("GET", "/count").status == 200
    assert len(instances[2].requests) == 20


def test_one_serves_while_the_others_stand_by(standby, instances):
    for _ in range(20):
        assert standby.request("GET", "/count").status == 200
    assert [len(instance.requests) for instance in instances] == [20, 0, 0]
    instances[0].answer = answer_503
    for _ in range(20):
        assert standby.request("GET", "/count").status == 200
    assert len(seen(instances[1:])) == 20
    instances[0].stop()
    instances[0].answer = break_off  # on kept connections
    for _ in range(20):
        assert standby.request("GET", "/count").status == 200
    assert len(seen(instances[1:])) == 40


def test_an_instance_that_hangs_is_sent_no_more_than_max_conns(standby, instances):
    instances[0].answer = lambda instance, request: instance.lingering.wait(30)
    with contextlib.ExitStack() as waiting:
        for number in range(1, MAX_CONNS + 1):
            client = waiting.enter_context(socket.create_connection(("127.0.0.1", standby.port)))
            client.sendall(b"GET /count HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_for(lambda: len(instances[0].requests) == number, "it has the request")
        for _ in range(20):
            assert standby.request("GET", "/count").status == 200
    assert len(instances[0].requests) == MAX_CONNS
    assert len(seen(instances)) == MAX_CONNS + 20


@pytest.mark.parametrize("instances", ["unix"], indirect=True)
def test_an_instance_whose_queue_is_full_is_passed_over_at_once(nginx, instances):
    for instance in instances[:2]:
        instance.stop()
        instance.address.unlink()
    with contextlib.ExitStack() as queued:
        for instance in instances[:2]:
            fill_queue(instance.address, queued)
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert nginx.request("GET", "/count").status == 200
            took.append(time.monotonic() - began)
    # Two of three requests first reach an instance with a full queue. On a busy machine a single request may be slow, but not most of them.
    assert statistics.median(took) < connect_timeout_s(), took
    assert len(instances[2].requests) == 20


def connect_timeout_s():
    return int(re.search(r"^\s*proxy_connect_timeout (\d+)s;", (NGINX_FILES / "visitcountd.conf").read_text(), re.M)[1])


def fill_queue(path, stack):
    """A listener that accepts no connection, with a full queue."""
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    listener.listen(1)
    with pytest.raises(BlockingIOError):
        while True:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect(str(path))


def test_after_503_another_instance_is_asked_with_the_same_request_id(nginx, instances):
    for instance in instances[:2]:
        instance.answer = answer_503
    assert {nginx.request("GET", "/count").status for _ in range(12)} == {200}
    ids = collections.Counter(request[2]["X-Request-Id"] for request in seen(instances))
    assert len(ids) == 12 and max(ids.values()) > 1


def test_without_a_store_everybody_gets_the_daemon_s_own_503(nginx, instances):
    """With max_fails above 0 nginx would disable all instances and answer 502 by itself."""
    for instance in instances:
        instance.answer = answer_503
    for _ in range(30):
        response = nginx.request("GET", "/count")
        assert response.status == 503
        assert response.content == REFUSAL


def test_a_refusal_after_an_attempt_that_broke_off_is_no_promise(nginx, instances):
    """The first instance may have counted the visit, whatever the second one answers."""
    for instance in instances:
        instance.answer = answer_503
    assert nginx.request("GET", "/count").headers["Visitcount-Status"] == REFUSED_BY_ALL
    for instance in instances[:2]:
        instance.answer = break_off
    said = collections.Counter()
    for _ in range(12):
        before = [len(instance.requests) for instance in instances]
        response = nginx.request("GET", "/count")
        asked = [len(instance.requests) - count for instance, count in zip(instances, before)]
        if response.status == 503:
            is_doubtful = any(asked[:2])
            assert response.headers.get_all("Visitcount-Status") == [MAY_BE_COUNTED if is_doubtful else REFUSED_BY_ALL]
            assert response.headers["Retry-After"] == "2"
            assert response.content == (DOUBT if is_doubtful else REFUSAL)
            assert (response.headers["Content-Length"] is None) == is_doubtful, "what is not changed passes as it is"
        said[response.headers["Visitcount-Status"]] += 1
    assert said[MAY_BE_COUNTED] > 0


def test_what_an_instance_says_of_a_visit_is_passed_on_once(nginx, instances):
    response = nginx.request("GET", "/count")
    assert response.headers.get_all("Visitcount-Status") == ["counted"]


def test_a_get_that_broke_off_is_repeated_under_the_same_request_id(nginx, instances):
    for instance in instances[:2]:
        instance.answer = break_off
    assert {nginx.request("GET", "/count").status for _ in range(12)} == {200}
    repeated = collections.Counter(request[2]["X-Request-Id"] for request in seen(instances))
    assert len(repeated) == 12 and max(repeated.values()) > 1


def test_a_post_that_broke_off_is_not_repeated(nginx, instances):
    for instance in instances:
        instance.answer = break_off
    response = nginx.request("POST", "/v1/hit/default/page", body=b"")
    assert response.status == 502
    assert json.loads(response.content)["error"]["code"] == "no_instance"
    assert len(seen(instances)) == 1


def test_a_visit_is_tried_three_times_at_most(nginx, instances):
    for instance in instances:
        instance.answer = break_off
    assert nginx.request("GET", "/count").status == 502
    assert len(seen(instances)) == 3


def test_a_hung_instance_is_given_up_and_its_visit_is_not_counted_elsewhere(nginx, instances):
    for instance in instances:
        instance.answer = lambda instance, request: instance.lingering.wait(30)
    response = nginx.request("GET", "/count")
    assert response.status == 504
    assert json.loads(response.content)["error"]["code"] == "no_answer"
    assert len(seen(instances)) == 1


def test_an_event_leaves_at_once(nginx, instances):
    for instance in instances:
        instance.answer = send_one_event_and_linger
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/live/default/page HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while b"data: 1\n\n" not in received:
            received += connection.recv(4096)  # a buffered event would end in a timeout
    assert b"text/event-stream" in received


HEADER = b"Host: x\r\n"
REFUSED = {
    "garbage": (b"GARBAGE\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\n" + HEADER + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "length and chunks": (b"POST / HTTP/1.1\r\n" + HEADER
                          + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "climbing path": (b"GET /../etc HTTP/1.1\r\n" + HEADER + b"\r\n", 400),
    "bad percent": (b"GET /%zz HTTP/1.1\r\n" + HEADER + b"\r\n", 400),
    "large header": (b"GET / HTTP/1.1\r\n" + HEADER + b"X: " + b"a" * 9000 + b"\r\n\r\n", 400),
    "long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HEADER + b"\r\n", 414),
    "large body": (b"POST / HTTP/1.1\r\n" + HEADER + b"Content-Length: 71680\r\n\r\n", 413),
    "trace": (b"TRACE / HTTP/1.1\r\n" + HEADER + b"\r\n", 405),
    "odd coding": (b"POST / HTTP/1.1\r\n" + HEADER + b"Transfer-Encoding: gzip\r\n\r\n", 501),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nginx_refuses_reads_like_the_daemon_s_errors(nginx, instances, name):
    data, status = REFUSED[name]
    response = nginx.send_raw(data)
    assert response.status == status
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store, max-age=0"
    assert set(json.loads(response.content)["error"]) == {"code", "message"}
    assert seen(instances) == []


def test_a_body_of_64_kib_arrives(nginx, instances):
    body = b"x" * 65536
    assert nginx.request("POST", "/v1/get/default", body=body).status == 200
    assert [request[3] for request in seen(instances)] == [body]
