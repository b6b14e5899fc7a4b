# SPDX-License-Identifier: MIT
"""docs/openapi.yaml is the API of the real server.

The document has each route of the server, and no other. For each described answer (operation, status and media type), a test makes a request to a
real daemon and checks the answer against the schema. An answer that is not described fails the test.
"""

import base64
import concurrent.futures
import re

import pytest

from harness import ROOT, Connection, wait_until
from harness.faults import HASTY

yaml = pytest.importorskip("yaml", reason="python3-yaml is missing (packaging/deps test)")
jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is missing (packaging/deps test)")

DOCUMENT = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
METHODS = ("get", "post", "put", "delete")
PASSWORD = "a password"
UNAUTHORIZED = {"Authorization": "Basic " + base64.b64encode(b"anybody:a guess").decode()}
AUTHORIZED = {"Authorization": "Basic " + base64.b64encode(f"anybody:{PASSWORD}".encode()).decode()}


# --- the document ---

def resolve(node):
    while "$ref" in node:
        found = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


class Operation:
    def __init__(self, path, method, item):
        self.path = path
        self.method = method.upper()
        self.responses = {int(status): resolve(response) for status, response in item["responses"].items()}
        self.parameters = {resolve(parameter)["name"] for parameter in item.get("parameters", [])}
        self.has_body = "requestBody" in item

    def __repr__(self):
        return f"{self.method} {self.path}"

    def answers(self):
        """(status, media type) of each described answer. The type is None if there is no body."""
        return [(status, media_type) for status, response in self.responses.items()
                for media_type in response.get("content", {None: None})]


def operations():
    return [Operation(path, method, item[method])
            for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item]


OPERATIONS = operations()


def check(operation, answer):
    """Checks the answer against the description of its status. Returns (status, media type)."""
    assert answer.status in operation.responses, f"{operation}: {answer} is not described"
    response = operation.responses[answer.status]
    media_type = answer.headers.get("content-type", "").partition(";")[0] or None
    for name, header in response.get("headers", {}).items():
        value = answer.headers.get(name.lower())
        assert value is not None, f"{operation}: {answer} has no {name}"
        assert re.fullmatch(resolve(header)["schema"]["pattern"], value), f"{operation}: {name}: {value}"
    if "content" in response:
        assert media_type in response["content"], f"{operation}: {answer}: another media type"
        schema = response["content"][media_type]["schema"]
        content = answer.json() if media_type == "application/json" else answer.body.decode("latin-1")
        validator(schema).validate(content)
    else:
        assert answer.body == b"", f"{operation}: {answer}"
    return answer.status, media_type


def validator(schema):
    return jsonschema.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, resolver=jsonschema.RefResolver("", {"components": DOCUMENT["components"]}))


# --- requests ---

def target_of(operation, status):
    """The path of a request that gets this status."""
    pages = {400: "%00", 414: "x" * 8192}
    sites = {404: "nowhere"}
    path = operation.path.replace("{site}", sites.get(status, "default")).replace("{page}", pages.get(status, "a"))
    if status == 400 and "{page}" not in operation.path and not operation.has_body:
        path += "?n=0" if "n" in operation.parameters else "?by=century" if "by" in operation.parameters else "?period=never"
    return path


def body_of(operation, status):
    if not operation.has_body:
        return b""
    return {400: b"[", 413: b"x" * 65537}.get(status, b'["/a", ""]')


def send(daemon, operation, status, *, query="", headers=None):
    target = target_of(operation, status)
    target += ("&" if "?" in target else "?") + query if query else ""
    if operation.path.startswith("/v1/live/") and status == 200:
        return begin_of_stream(daemon, target, headers)
    return daemon.fetch(target, operation.method, body=body_of(operation, status), headers=headers)


def begin_of_stream(daemon, target, headers):
    """The head of a stream without end, and its first event."""
    from harness import Answer
    with Connection(daemon.address) as connection:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **(headers or {})}.items())
        connection.send(f"GET {target} HTTP/1.1\r\n{lines}\r\n")
        while b"\ndata: " not in connection.received:
            connection.receive()
        head, _, body = connection.received.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        return Answer(int(first.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}, body)


def variants(operation):
    """(query, headers) of a request for each media type of the operation."""
    yield "", {}
    if "callback" in operation.parameters:
        yield "callback=show", {"Accept": "application/json"}
    if operation.path == "/count":
        yield from (("", {"Accept": accept}) for accept in ("text/html", "application/json"))


def send_all(daemon, requests):
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        return list(pool.map(lambda one: send(daemon, one[0], one[1], query=one[2], headers=one[3]), requests))


class Seen:
    """The described answers that the daemon has given so far."""

    def __init__(self):
        self.answers = set()

    def all_of(self, daemon, statuses, choose=lambda operation: True, headers=None, is_plain=False):
        """Requests each operation that describes one of the statuses, in each of its media types, all at the same time."""
        requests = [(operation, status, query, {**more, **(headers or {})})
                    for operation in OPERATIONS if choose(operation)
                    for status in statuses if status in operation.responses
                    for query, more in (variants(operation) if not is_plain else [("", {})])]
        for (operation, status, query, _), answer in zip(requests, send_all(daemon, requests)):
            if query.startswith("callback") and status >= 400:
                continue  # the answer is a script with status 200
            assert answer.status == status, f"{operation}: {answer} in place of {status}"
            self.answers.add((operation, *check(operation, answer)))

    def any_of(self, daemon, choose):
        """Makes an ordinary request of each operation. Every answer has to be described."""
        requests = [(operation, 200, "", {}) for operation in OPERATIONS if choose(operation)]
        for (operation, *_), answer in zip(requests, send_all(daemon, requests)):
            self.answers.add((operation, *check(operation, answer)))

    def missing(self):
        return [(operation, *answer) for operation in OPERATIONS for answer in operation.answers()
                if (operation, *answer) not in self.answers]


def counts(operation):
    return "readonly" in operation.parameters


# --- tests ---

def route_table():
    """(methods, path) of each route for visitors, from the source."""
    sources = [path.read_text() for path in ROOT.glob("src/http/**/*.c")]
    table, = [text for text in sources if re.search(r"\bvisitor_routes = ", text)]
    names = dict(re.findall(r"#define (\w+) +\((METHOD_.*)\)", table))
    for methods, path in re.findall(r'\{(\w+), H2O_STRLIT\("([^"]+)"\)', table):
        yield {word.removeprefix("METHOD_") for word in names.get(methods, methods).split(" | ") if word.startswith("METHOD_")}, path


def described(path):
    """A path of the document in the form of the table: the handler parses the part after "/v1/hit/"."""
    return path.partition("{")[0]


def test_each_route_is_described():
    table = sorted({(method, path) for methods, path in route_table() for method in methods})
    assert ("GET", "/v1/hit/") in table and ("POST", "/count") in table
    assert sorted({(operation.method, described(operation.path)) for operation in OPERATIONS}) == table


def test_each_error_code_is_described():
    """The table of docs/http-api.md describes each code too. Codes that are not in the table of errors are found in the sources."""
    codes = set(re.findall(r'^\w+_ERROR\(.*"(\w+)"', (ROOT / "src/http/request/http_errors.def").read_text(), re.MULTILINE))
    found = set()
    for path in ROOT.glob("src/http/**/*.c"):
        if "admin" not in str(path.relative_to(ROOT)) and path.stem != "metrics":
            text = path.read_text()
            found |= set(re.findall(r'\b(?:4\d\d|50\d),\s*(?:&header, )?"([a-z_]+)"', text)) | set(re.findall(r'\\"code\\":\\"(\w+)', text))
    assert {"not_found", "body_too_large"} <= found <= codes
    schema = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]
    assert set(schema["enum"]) == codes
    table = (ROOT / "docs/http-api.md").read_text().partition("## Errors")[2]
    assert {code for cells in re.findall(r"^\| (`.*?) \| \d", table, re.MULTILINE) for code in re.findall(r"`(\w+)`", cells)} == codes


def test_the_document_is_well_formed():
    """The document follows the parts of OpenAPI 3.1 that it uses. Each reference has a target, and each part is used."""
    assert DOCUMENT["openapi"].startswith("3.1.") and {"title", "version"} <= set(DOCUMENT["info"])
    identifiers = [item[method]["operationId"] for item in DOCUMENT["paths"].values() for method in METHODS if method in item]
    assert len(set(identifiers)) == len(identifiers)
    used = set(re.findall(r"\$ref: '#/components/([^']+)'", (ROOT / "docs/openapi.yaml").read_text()))
    defined = {f"{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts}
    assert used == {name for name in defined if not name.startswith("securitySchemes/")}
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name
    for path, item in DOCUMENT["paths"].items():
        wanted = set(re.findall(r"\{(\w+)\}", path))
        assert {resolve(parameter)["name"] for parameter in item.get("parameters", [])} == wanted, path


def see_healthy(seen, new_daemon):
    daemon = new_daemon({"dashboard.password": PASSWORD}, name="healthy").wait_for_store()
    seen.all_of(daemon, (200, 400, 404, 413, 414), headers=AUTHORIZED)
    seen.all_of(daemon, (401,))
    for operation in OPERATIONS:
        if 304 in operation.responses:
            query = "readonly=1" if counts(operation) else ""
            etag = send(daemon, operation, 200, query=query).headers["etag"]
            seen.answers.add((operation, *check(operation, send(daemon, operation, 304, query=query, headers={"If-None-Match": etag}))))


def guess_until_one_waits(daemon):
    """Makes attempts until further ones of the same network are refused. Returns the connection of the attempt that waits."""
    while True:
        connection = Connection(daemon.address)
        before = sum(daemon.status()["dashboard"].values())
        connection.send(f"GET /v1/top/default HTTP/1.1\r\nHost: x\r\nAuthorization: {UNAUTHORIZED['Authorization']}\r\n\r\n")
        wait_until(lambda: sum(daemon.status()["dashboard"].values()) > before, "it was looked at")
        if daemon.status()["dashboard"]["delayed_attempts"]:
            return connection
        connection.socket.close()


def see_refusals(seen, new_daemon):
    closed = new_daemon({"sites": [{"name": "default", "origins": ["https://pages.example"]}]}, name="closed").wait_for_store()
    seen.all_of(closed, (403,))
    limited = new_daemon({"limits.rate": "1/1h", "limits.live": 0}, name="limited").wait_for_store()
    for operation in filter(counts, OPERATIONS):
        send(limited, operation, 200)
    seen.all_of(limited, (429,), counts)
    seen.all_of(limited, (503,), lambda operation: operation.path == "/v1/live/{site}/{page}")
    guessed = new_daemon({"dashboard.password": PASSWORD}, name="guessed").wait_for_store()
    waiting = guess_until_one_waits(guessed)
    seen.all_of(guessed, (429,), lambda operation: not counts(operation), headers=UNAUTHORIZED)
    waiting.socket.close()
    public = new_daemon({"limits.live": 0, "dashboard.public": True}, name="public").wait_for_store()
    seen.all_of(public, (503,), lambda operation: operation.path == "/v1/live/{site}")


def has_no_stream(operation):
    return not operation.path.startswith("/v1/live/")


def see_visits_without_an_answer(seen, new_daemon, new_redis):
    """Makes the visits one after the other. If they waited together, only the first batch would be sent, and the other visits would be answered as
    not counted."""
    server = new_redis(name="silent")
    daemon = new_daemon({"redis.socket": str(server.socket), "redis.command_timeout": "20s", "count.max_wait": "100ms"}, name="unsure")
    for operation in [operation for operation in OPERATIONS if 504 in operation.responses]:
        wait_until(lambda: daemon.fetch("/count").status == 200, "the store answers")
        server.pause()
        seen.all_of(daemon, (504,), lambda other, one=operation: other is one, is_plain=True)
        server.resume()


def see_outages(seen, new_daemon, new_redis, directory):
    hanging, gone = new_redis(name="hanging"), new_redis(name="gone")
    settings = {**HASTY, "dashboard.public": True}
    waiting = new_daemon({**settings, "redis.socket": str(hanging.socket)}, name="waiting").wait_for_store()
    away = new_daemon({**settings, "redis.socket": str(gone.socket)}, name="away").wait_for_store()
    journal = new_daemon({**settings, "redis.socket": str(gone.socket), "journal.directory": f"{directory}/journal"},
                         name="journal").wait_for_store()
    hanging.pause()
    seen.any_of(waiting, has_no_stream)
    gone.kill()
    for daemon in (away, journal):
        daemon.wait_for_store(False)
    seen.any_of(away, has_no_stream)
    seen.all_of(away, (503,), has_no_stream)
    wait_until(lambda: journal.fetch("/count").status == 202, "visits go to the journal")
    seen.any_of(journal, has_no_stream)
    seen.all_of(journal, (202,))


def test_each_answer_that_is_described_is_real(new_daemon, new_redis, directory):
    seen = Seen()
    see_healthy(seen, new_daemon)
    see_refusals(seen, new_daemon)
    see_visits_without_an_answer(seen, new_daemon, new_redis)
    see_outages(seen, new_daemon, new_redis, directory)
    missing = seen.missing()
    assert not missing, "\n".join(map(str, missing))
    assert len(seen.answers) > 150


def test_jsonp_and_shields_say_errors_with_status_200(new_daemon):
    daemon = new_daemon().wait_for_store()
    answer = daemon.fetch("/v1/hit/nowhere/a?callback=show")
    assert answer.status == 200 and answer.text.startswith('/**/show({"error":')
    shields, = [operation for operation in OPERATIONS if operation.path.startswith("/v1/shields/")]
    answer = daemon.fetch("/v1/shields/nowhere/a")
    assert check(shields, answer) == (200, "application/json") and answer.json()["isError"] is True
