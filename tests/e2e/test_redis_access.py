# SPDX-License-Identifier: MIT
"""How the daemon connects to Redis: addresses, databases, passwords, access lists, TLS."""

import os
import re

import pytest
import redis as client_library

from harness import ROOT, FakeRedis, Process, RedisStore, free_port, make_certificates, need_program, run_ctl, run_daemon, wait_until
from harness.faults import HASTY, PATIENT, SHORT, check_is_away, error_to_apply

PASSWORD = "s3cret \"quoted\" \\ pa$$word"
WRONG = "wr0ng-pa55word"

#: The access list of the daemon: the commands of Redis that it uses, and their uses.
NEEDED = {
    "evalsha": "each batch", "eval": "each batch after SCRIPT FLUSH", "script|load": "the handshake", "role": "the handshake, a failover, replicas",
    "zmscore": "apply.lua, reading", "hmget": "apply.lua, numbers of days", "zadd": "apply.lua, set, add", "hget": "series, edits", "hset": "apply.lua", "zincrby": "apply.lua", "zscore": "apply.lua",
    "hincrby": "apply.lua", "expire": "apply.lua", "ttl": "apply.lua", "time": "apply.lua", "hrandfield": "apply.lua", "hdel": "apply.lua",
    "wait": "redis.wait_replicas",
    "zcard": "apply.lua, limits.pages", "smismember": "tokens", "sadd": "tokens, sites", "append": "tokens", "pfadd": "visitors", "pfcount": "visitors",
    "publish": "live numbers", "subscribe": "live numbers", "unsubscribe": "live numbers", "ping": "live numbers: heartbeat",
    "zrevrange": "top", "zscan": "export", "smembers": "sites", "sismember": "sites", "scard": "sites",
    "set": "salts", "get": "salts", "zrem": "delete, rename", "unlink": "delete, rename",
    "pfmerge": "rename",
}

#: Commands that counting a visit and reading a page do not need. Other operations need them.
RARE = {"role", "script|load", "eval", "hget", "zscore", "hdel", "expire", "hincrby", "pfadd", "pfcount", "publish",
        "subscribe", "unsubscribe", "ping", "zrevrange", "zscan", "smembers", "sismember", "scard", "set", "get", "zrem",
        "unlink", "pfmerge"}


# --- addresses and databases ---

@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_over_tcp(new_daemon, new_redis, host):
    server = new_redis(port=free_port())
    daemon = new_daemon({"redis.host": host, "redis.port": server.port, **PATIENT}).wait_for_store()
    assert daemon.count() == 1
    status = daemon.status()["store"]
    assert (status["backend"], status["address"], status["role"]) == ("redis", f"{host}:{server.port}", "master")
    assert status["version"] == server.client().info("server")["redis_version"]
    assert status["round_trip_us"] > 0


def test_another_database(new_daemon, redis):
    daemon = new_daemon({"redis.socket": str(redis.socket), "redis.db": 3}).wait_for_store()
    assert daemon.count() == 1
    assert redis.client().keys() == []
    assert redis.client(db=3).zscore("vc:{default}:hits", "/") == 1


def test_a_database_that_there_is_not(new_daemon, redis):
    daemon = new_daemon({"redis.socket": str(redis.socket), "redis.db": 999, **HASTY})
    daemon.wait_for_log("SELECT: ERR DB index is out of range; retrying")


def test_the_instance_is_seen_in_client_list(new_daemon, redis):
    new_daemon({"redis.socket": str(redis.socket)}, name="web-2").wait_for_store()
    assert "visitcountd-web-2" in [client["name"] for client in redis.client().client_list()]


# --- passwords ---

@pytest.fixture
def guarded(new_redis):
    return new_redis(password='"%s"' % PASSWORD.replace("\\", "\\\\").replace('"', '\\"'), start=False)


def start_guarded(server):
    """The quotes belong to redis.conf; the client uses the password without them."""
    server.start(is_ready=False)
    server.password = PASSWORD
    wait_until(server.answers, "Redis answers")
    return server


def test_the_right_password(new_daemon, guarded):
    start_guarded(guarded)
    daemon = new_daemon({"redis.socket": str(guarded.socket), "redis.password": PASSWORD, **PATIENT}).wait_for_store()
    assert daemon.count() == 1
    check_secret_is_kept(daemon, PASSWORD)


def test_the_password_from_a_file(new_daemon, guarded, directory):
    start_guarded(guarded)
    (directory / "password").write_text(PASSWORD + "\n")
    daemon = new_daemon({"redis.socket": str(guarded.socket), "redis.password_file": str(directory / "password")})
    assert daemon.wait_for_store().count() == 1


@pytest.mark.parametrize("environment", ["VISITCOUNTD_REDIS_PASSWORD", "REDIS_PASSWORD"])
def test_the_password_from_the_environment(new_daemon, guarded, environment):
    start_guarded(guarded)
    daemon = new_daemon({"redis.socket": str(guarded.socket)}, environment={environment: PASSWORD})
    assert daemon.wait_for_store().count() == 1
    check_secret_is_kept(daemon, PASSWORD)


def test_the_password_as_a_credential_of_systemd(new_daemon, guarded, directory):
    start_guarded(guarded)
    (directory / "credentials").mkdir()
    (directory / "credentials" / "redis.password").write_text(PASSWORD)
    daemon = new_daemon({"redis.socket": str(guarded.socket)}, environment={"CREDENTIALS_DIRECTORY": directory / "credentials"})
    assert daemon.wait_for_store().count() == 1


def test_a_wrong_password_is_said_and_not_shown(new_daemon, guarded):
    start_guarded(guarded)
    daemon = new_daemon({"redis.socket": str(guarded.socket), "redis.password": WRONG, "log.level": "debug", **HASTY})
    daemon.wait_for_log("warning redis unix:.*: AUTH: WRONGPASS .*; retrying in")
    assert daemon.status()["store"]["last_error"].startswith("AUTH: WRONGPASS")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    check_secret_is_kept(daemon, WRONG)
    assert "WRONGPASS" in daemon.ctl("status").output
    assert "WRONGPASS" not in daemon.fetch("/readyz").text, "visitors have no business with it"


def test_a_password_that_is_missing_is_said(new_daemon, guarded):
    start_guarded(guarded)
    daemon = new_daemon({"redis.socket": str(guarded.socket), **HASTY})
    daemon.wait_for_log("NOAUTH")
    assert "NOAUTH" in daemon.status()["store"]["last_error"]


def test_a_password_that_nobody_asked_for_is_said(new_daemon, redis):
    daemon = new_daemon({"redis.socket": str(redis.socket), "redis.password": WRONG, **HASTY})
    daemon.wait_for_log("AUTH: ERR AUTH .*without any password configured")
    check_secret_is_kept(daemon, WRONG)


def check_secret_is_kept(daemon, secret):
    """Checks that the secret is not in the log, in answers of the admin socket or on the command line."""
    for text in (daemon.log(), daemon.ctl("config").output, daemon.ctl("config", "--json").output, daemon.ctl("status", "--json").output,
                 daemon.ctl("metrics").output, "\n".join(daemon.notify.lines)):
        assert secret not in text
    assert 'redis.password = "********"' in daemon.ctl("config").output


def test_the_configuration_does_not_show_secrets(directory):
    path = directory / "conf"
    path.write_text(f'redis: {{ password = "{WRONG}"; }};\n')
    result = run_daemon("--config", path, "--print-config")
    assert 'redis.password = "********"' in result.output
    for environment in ({"REDIS_URL": f"redis://user:{WRONG}@h:1/0"}, {"REDIS_URL": f"redis://user:{WRONG}@h:port/0"},
                        {"VISITCOUNTD_REDIS_PASSWORD": WRONG * 200}, {"REDIS_PASSWORD": WRONG}):
        result = run_daemon("--config", path, "--print-config", environment=environment)
        assert WRONG not in result.output + result.errors, environment
    assert run_ctl("--print-reference", "markdown").status == 0


# --- credentials that change ---

def start_with_password_file(new_daemon, server, path, password, **settings):
    path.write_text(password + "\n")
    return new_daemon({"store.backend": "redis", "redis.socket": str(server.socket), "redis.password_file": str(path), **HASTY, **settings}).wait_for_store()


def test_a_password_that_is_rotated(new_daemon, new_redis, directory):
    """The daemon reads the file again when the server rejects the old password, without a reload or restart."""
    server = new_redis(aof=True, password="old")
    daemon = start_with_password_file(new_daemon, server, directory / "password", "old")
    assert daemon.count() == 1
    server.client().config_set("requirepass", "new")
    server.password = "new"
    assert daemon.count() == 2, "a connection stays authenticated"
    server.client().client_kill_filter(skipme=True)
    daemon.wait_for_log("WRONGPASS")
    (directory / "password").write_text("new\n")
    daemon.wait_for_store()
    assert daemon.count() == 3
    for secret in ("old", "new"):
        assert f'"{secret}"' not in daemon.log()


def test_a_password_that_is_rotated_before(new_daemon, new_redis, directory):
    server = new_redis(aof=True, password="old")
    daemon = start_with_password_file(new_daemon, server, directory / "password", "old")
    (directory / "password").write_text("new\n")
    server.client().config_set("requirepass", "new")
    server.password = "new"
    server.client().client_kill_filter(skipme=True)
    wait_until(lambda: daemon.status()["store"]["connects"] == 2, "connected with the new one")
    assert daemon.count() == 1


def test_a_password_file_that_cannot_be_read_any_more(new_daemon, new_redis, directory):
    server = new_redis(aof=True, password="old")
    daemon = start_with_password_file(new_daemon, server, directory / "password", "old")
    (directory / "password").unlink()
    assert daemon.ctl("reload").status == 0
    daemon.wait_for_log("reload: .*redis.password_file: .*/password: No such file or directory; the secret that was read before is kept")
    daemon.wait_for_log("reload: done")
    server.client().client_kill_filter(skipme=True)
    daemon.wait_for_store()
    assert daemon.count() == 1
    server.client().config_set("requirepass", "new")
    server.password = "new"
    server.client().client_kill_filter(skipme=True)
    daemon.wait_for_log("redis.password_file: .*/password: No such file or directory; going on with the password that was read before")
    (directory / "password").write_text("new\n")
    daemon.wait_for_store()
    assert daemon.count() == 2


def test_a_reload_goes_on_with_the_password_that_was_read_last(new_daemon, new_redis, directory):
    """It does not use the password of the start, which the server no longer accepts."""
    server = new_redis(aof=True, password="old")
    daemon = start_with_password_file(new_daemon, server, directory / "password", "old")
    (directory / "password").write_text("new\n")
    server.client().config_set("requirepass", "new")
    server.password = "new"
    server.client().client_kill_filter(skipme=True)
    wait_until(lambda: daemon.status()["store"]["connects"] == 2, "connected with the new one")
    (directory / "password").unlink()
    assert daemon.ctl("reload").status == 0
    daemon.wait_for_log("reload: done")
    assert "the new user or password" not in daemon.log()
    server.client().client_kill_filter(skipme=True)
    wait_until(lambda: daemon.status()["store"]["connects"] == 3, "connected without the file")
    assert daemon.count() == 1


@pytest.mark.parametrize("content", ["", "x" * 1025, "x" * 100_000, "n\0w", "n\nw", None], ids=["empty", "long", "huge", "nul", "lines", "pipe"])
def test_a_password_file_that_is_no_good_any_more(new_daemon, new_redis, directory, content):
    """The reload applies other options anyway, and no visit waits."""
    server = new_redis(aof=True, password="old")
    daemon = start_with_password_file(new_daemon, server, directory / "password", "old")
    if content is None:
        (directory / "password").unlink()
        os.mkfifo(directory / "password")
    else:
        (directory / "password").write_text(content)
    daemon.write_config(log_level="debug")
    done = daemon.ctl("reload")
    assert done.status == 0, done
    assert daemon.ctl("log-level").output.split() == ["level", "debug"]
    assert daemon.count() == 1
    server.client().config_set("requirepass", "new")
    server.password = "new"
    server.client().client_kill_filter(skipme=True)
    daemon.wait_for_log("AUTH: WRONGPASS")
    (directory / "password").unlink()
    (directory / "password").write_text("new")
    daemon.wait_for_store()
    assert daemon.count() == 2


def test_a_reload_with_another_password(new_daemon, new_redis, directory):
    """The reload applies other options too, and uses the password at once. A wrong password leaves the connection unchanged."""
    server = new_redis(aof=True, password="old", config={"user": ["other on >theirs ~* &* +@all"]})
    daemon = start_with_password_file(new_daemon, server, directory / "password", "old")
    (directory / "password").write_text("wrong\n")
    assert daemon.ctl("reload").status == 0
    daemon.wait_for_log("the new user or password: AUTH: WRONGPASS .*; the connection goes on with the old one")
    assert daemon.count() == 1
    server.client().config_set("requirepass", "new")
    server.password = "new"
    (directory / "password").write_text("new\n")
    assert daemon.ctl("reload").status == 0
    daemon.wait_for_log("authenticated with the new user or password")
    assert daemon.count() == 2
    assert daemon.status()["store"]["connects"] == 1


def test_a_user_without_a_password(new_daemon, new_redis):
    """The daemon does not silently use the default user, who may do everything."""
    server = new_redis(config={"user": [f"counter on nopass resetkeys {acl(NEEDED)}", "locked on >x ~* +@all"]})
    daemon = new_daemon({"redis.socket": str(server.socket), "redis.username": "counter", **HASTY}).wait_for_store()
    assert daemon.count() == 1
    assert {client["user"] for client in server.client().client_list() if "visitcountd" in client["name"] or client["user"] == "counter"} == {"counter"}
    other = new_daemon({"redis.socket": str(server.socket), "redis.username": "locked", **HASTY}, name="other")
    other.wait_for_log("AUTH: WRONGPASS")
    assert other.status()["store"]["connects"] == 0


# --- access lists ---

def acl(commands):
    return "~vc:* resetchannels &vc:* -@all " + " ".join(f"+{command}" for command in commands)


@pytest.fixture
def limited(new_redis):
    """A Redis with a user that may use only the commands that the daemon needs."""
    return new_redis(aof=True, config={"user": [f"counter on >{WRONG} resetkeys {acl(NEEDED)}"]})


def settings_of(server, user="counter"):
    return {"store.backend": "redis", "redis.socket": str(server.socket), "redis.username": user, "redis.password": WRONG, **PATIENT}


def test_the_commands_that_are_needed_suffice(new_daemon, limited):
    """The test covers everything that the daemon does with Redis."""
    daemon = new_daemon({**settings_of(limited), "redis.wait_replicas": 1, "redis.wait_timeout": "10ms"}).wait_for_store()
    assert [daemon.count() for _ in range(3)] == [1, 2, 3]
    limited.client().script_flush()
    assert daemon.count() == 4
    assert daemon.fetch("/v1/get/default/").json()["count"] == 4
    assert daemon.fetch("/v1/hit/default/once", headers={"Idempotency-Key": "a"}).json()["status"] == "counted"
    assert daemon.fetch("/v1/hit/default/once", headers={"Idempotency-Key": "a"}).json()["status"] == "duplicate"
    limited.client().hset("vc:{default}:ledger", "a" * 32, "5 1000000000 17")
    daemon.stop()
    daemon.start().wait_for_store()
    assert daemon.count() == 5, "the first batch of an instance sweeps the ledger"
    assert "a" * 32 not in limited.client().hkeys("vc:{default}:ledger")
    for command in (["set", "/a", "3"], ["add", "/a", "1"], ["rename", "/a", "/b"], ["delete", "/b"], ["top"], ["sites"], ["export"],
                    ["series", "default", "/"], ["series", "default", "/", "unique"]):
        assert daemon.ctl(*command).status == 0, command
    limited.client().client_kill_filter(user="counter")
    assert daemon.wait_for_store().count() == 6
    assert not re.search("NOPERM", daemon.log())
    refused = [entry for entry in limited.client().acl_log() if entry["object"] not in ("client|setname", "info", "config|get")]
    assert refused == [], "a command was refused that is not merely a convenience"


@pytest.mark.parametrize("missing", sorted(set(NEEDED) - RARE))
def test_each_of_them_is_needed(new_daemon, new_redis, missing):
    """Otherwise the list in the documentation would only grow."""
    server = new_redis(config={"user": [f"counter on >{WRONG} resetkeys {acl(set(NEEDED) - {missing})}"]})
    daemon = new_daemon({**settings_of(server), "count.max_wait": SHORT, "redis.wait_replicas": 1})
    answers = [daemon.fetch(target, headers={"Idempotency-Key": target}) for target in ("/count", "/count.json", "/v1/get/default/")]
    assert [answer.status for answer in answers] != [200, 200, 200] or "NOPERM" in daemon.log(), f"it works without {missing}"
    counted = sum(answer.status == 200 for answer in answers[:2])
    assert int(server.client().zscore("vc:{default}:hits", "/") or 0) == counted, "what fails half-way is counted with each attempt"


@pytest.mark.parametrize("missing", [{"role"}, {"script|load"}, {"role", "script|load", "ping"}], ids=["role", "script", "both"])
def test_what_managed_servers_lack(new_daemon, new_redis, missing):
    """They lack ROLE and SCRIPT LOAD. CLIENT, INFO and CONFIG are not needed either."""
    server = new_redis(config={"user": [f"counter on >{WRONG} resetkeys {acl(set(NEEDED) - missing)}"]})
    daemon = new_daemon(settings_of(server)).wait_for_store()
    assert [daemon.count() for _ in range(5)] == [1, 2, 3, 4, 5]
    server.client().script_flush()
    assert [daemon.count() for _ in range(3)] == [6, 7, 8]
    assert server.client().info("commandstats")["cmdstat_evalsha"]["failed_calls"] <= 2, "the script is sent once"


def test_commands_that_have_other_names(new_daemon, new_redis):
    """As on Redis Enterprise, which does not know ROLE, and behind proxies."""
    server = new_redis(config={"rename-command": ['ROLE ""', 'SCRIPT ""', 'CLIENT ""', 'CONFIG ""']})
    daemon = new_daemon({"redis.socket": str(server.socket), **HASTY}).wait_for_store()
    assert [daemon.count() for _ in range(3)] == [1, 2, 3]
    assert daemon.status()["store"]["role"] == "master", "INFO tells it"


def test_a_replica_without_role_is_noticed(new_daemon, new_redis):
    master = new_redis(port=free_port())
    replica = new_redis(name="replica", config={"replicaof": f"127.0.0.1 {master.port}", "rename-command": ['ROLE ""']})
    daemon = new_daemon({"redis.socket": str(replica.socket), **HASTY})
    daemon.wait_for_log("the server is a replica: it takes no writes")


@pytest.mark.parametrize("reply", [b"-NOSCRIPT No matching script\r\n", b"-ERR unknown command 'EVALSHA'\r\n"], ids=["noscript", "unknown"])
def test_a_server_that_never_finds_the_script(new_daemon, directory, reply):
    """Then the daemon uses EVAL, and does not repeat commands forever."""
    def answer(words):
        if words[0] == "EVAL" and "vc:{default}:ledger" in words:
            return b"$4\r\nOK 7\r\n"
        return reply if words[0] == "EVALSHA" else error_to_apply(None)(words)

    fake = FakeRedis(directory / "fake.sock", answer)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY}).wait_for_store()
    for _ in range(10):
        assert daemon.count() == 7
    asked = sum(words[0] == "EVALSHA" for words in fake.commands)
    assert asked <= 5, "EVALSHA is given up"
    daemon.stop()
    fake.finish()


def test_neither_script_command(new_daemon, directory):
    """The visit is refused with the reason, without an endless loop."""
    fake = FakeRedis(directory / "fake.sock", lambda words: (b"-NOSCRIPT No matching script\r\n" if words[0] in ("EVAL", "EVALSHA")
                                                             else error_to_apply(None)(words)))
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, **HASTY})
    wait_until(lambda: daemon.status()["store"]["available"], "available")
    assert daemon.fetch("/count").status == 503
    assert sum(words[0] in ("EVAL", "EVALSHA") for words in fake.commands) < 50
    fake.finish()


def test_a_server_that_hangs_up_in_the_handshake(new_daemon, directory):
    """The log names the command."""
    def answer(words):
        if words[0] == "AUTH":
            raise ConnectionError("hang up")
        return error_to_apply(None)(words)

    fake = FakeRedis(directory / "fake.sock", answer)
    daemon = new_daemon({"store.backend": "redis", "redis.socket": fake.path, "redis.password": "x", **HASTY})
    daemon.wait_for_log("warning redis unix:.*: AUTH: the server closed the connection; retrying in")
    fake.finish()


def test_all_other_commands_are_refused_to_that_user(limited):
    client = limited.client(username="counter", password=WRONG)
    for command in (["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "*"], ["GET", "x"], ["SET", "x", "1"], ["GETSET", "vc:x", "1"], ["DEBUG", "SLEEP", "0"],
                    ["SHUTDOWN"], ["SCRIPT", "FLUSH"], ["ZMSCORE", "other", "x"], ["SUBSCRIBE", "other"], ["ACL", "LIST"]):
        with pytest.raises(client_library.exceptions.NoPermissionError):
            client.execute_command(*command)
    with pytest.raises(client_library.exceptions.ResponseError, match="(?i)can't access|no permission|NOPERM"):
        client.eval("return redis.call('HGET', KEYS[1], 'x')", 1, "other")


def test_a_user_without_permission_is_said(new_daemon, new_redis):
    server = new_redis(config={"user": [f"counter on >{WRONG} resetkeys {acl(['role', 'script|load', 'zmscore'])}"]})
    daemon = new_daemon({**settings_of(server), "count.max_wait": SHORT, "log.level": "debug"}).wait_for_store()

    def is_refused():
        answer = daemon.fetch("/count")
        assert (answer.status, answer.error) in ((503, "store_unavailable"), (504, "outcome_unknown"))
        return answer.status == 503  # 504 if a batch is in flight when the visit times out

    wait_until(is_refused, "a visit is refused")
    daemon.wait_for_log("NOPERM")


# --- TLS ---

@pytest.fixture
def certificates(directory):
    return make_certificates(directory / "tls")


def tls_redis(new_redis, certificates, *, version="TLSv1.2 TLSv1.3", **arguments):
    port = free_port()
    server = new_redis(config={"tls-port": port, "tls-protocols": f'"{version}"', "tls-cert-file": certificates["cert"], "tls-key-file": certificates["key"],
                               "tls-ca-cert-file": certificates["ca"], "tls-auth-clients": "no"}, **arguments)
    settings = {"redis.host": "localhost", "redis.port": port, "redis.tls": True, "redis.tls_ca": str(certificates["ca"]), **PATIENT}
    return settings, server


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_tls(new_daemon, new_redis, certificates, version):
    settings, server = tls_redis(new_redis, certificates, version=version)
    daemon = new_daemon(settings).wait_for_store()
    assert [daemon.count() for _ in range(3)] == [1, 2, 3]
    assert RedisStore(server).total() == 3


def test_tls_under_load_and_restarts(new_daemon, new_redis, certificates, visitors):
    settings, server = tls_redis(new_redis, certificates, aof=True)
    daemon = new_daemon(settings).wait_for_store()
    crowd = visitors([daemon.address], connections=32)
    for _ in range(3):
        crowd.wait_for_more(300)
        server.kill()
        server.start()
    crowd.wait_for_more(300)
    crowd.stop()
    crowd.finish().check_exact({"/count": RedisStore(server).total()})


def test_a_certificate_of_another_authority_is_refused(new_daemon, new_redis, certificates, directory):
    settings, _ = tls_redis(new_redis, certificates)
    other = make_certificates(directory / "other")
    daemon = new_daemon({**settings, "count.max_wait": SHORT, "redis.tls_ca": str(other["ca"])})
    daemon.wait_for_log(r"warning redis localhost:\d+: TLS: .*(issuer|signed|certificate|verif).*; retrying in")
    wait_until(lambda: daemon.fetch("/count").status == 503, "503")
    check_is_away(daemon)
    assert daemon.status()["store"]["last_error"].startswith("TLS: ")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_certificate_of_another_name_is_refused(new_daemon, new_redis, directory, version):
    """Guards against an attacker in the middle with another certificate of the same authority."""
    settings, _ = tls_redis(new_redis, make_certificates(directory / "tls", "DNS:redis.example"), version=version)
    daemon = new_daemon(settings)
    wait_until(lambda: daemon.status()["store"]["connects"] or daemon.status()["store"]["last_error"], "connected or not")
    assert daemon.status()["store"]["connects"] == 0
    daemon.wait_for_log(r"TLS: .*; retrying in")


def test_a_certificate_for_an_address(new_daemon, new_redis, directory):
    """With TLS 1.3. libh2o checks the certificate itself only with TLS 1.2, and then only for names."""
    settings, _ = tls_redis(new_redis, make_certificates(directory / "tls", "IP:127.0.0.1"), version="TLSv1.3")
    daemon = new_daemon({**settings, "redis.host": "127.0.0.1"})
    wait_until(lambda: daemon.status()["store"]["connects"] or daemon.status()["store"]["last_error"], "connected or not")
    assert daemon.status()["store"]["last_error"] is None
    assert daemon.count() == 1


def test_the_systems_authorities_do_not_know_a_certificate_of_ours(new_daemon, new_redis, certificates):
    settings, _ = tls_redis(new_redis, certificates)
    daemon = new_daemon({**settings, "redis.tls_ca": ""})
    daemon.wait_for_log(r"TLS: .*; retrying in")


def test_tls_to_a_port_without_it(new_daemon, new_redis, certificates):
    server = new_redis(port=free_port())
    daemon = new_daemon({"redis.host": "127.0.0.1", "redis.port": server.port, "redis.tls": True, "redis.tls_ca": str(certificates["ca"]),
                         **HASTY})
    daemon.wait_for_log("TLS: (no answer within .*, as of a port without TLS: see redis.tls|the server does not speak TLS on this port)")
    assert daemon.status()["store"]["connects"] == 0


def test_no_tls_to_a_port_with_it(new_daemon, new_redis, certificates):
    settings, _ = tls_redis(new_redis, certificates)
    daemon = new_daemon({**settings, "redis.tls": False})
    daemon.wait_for_log("the server closed the connection, as one that expects TLS does: see redis.tls|the server speaks TLS on this port: see redis.tls")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_server_that_wants_a_certificate(new_daemon, new_redis, certificates, version):
    """The default of tls-auth-clients is yes."""
    settings, server = tls_redis(new_redis, certificates, version=version)
    server.client().config_set("tls-auth-clients", "yes")
    daemon = new_daemon(settings)
    wait_until(lambda: daemon.status()["store"]["connects"] or daemon.status()["store"]["last_error"], "connected or not")
    server.client().client_kill_filter(skipme=True)
    daemon.wait_for_log("TLS: the server requires a certificate of its clients, and visitcountd has none: set tls-auth-clients")
    server.client().config_set("tls-auth-clients", "optional")
    daemon.wait_for_store()
    assert daemon.count() == 1


def test_a_certificate_says_what_is_wrong_with_it(new_daemon, new_redis, directory):
    settings, _ = tls_redis(new_redis, make_certificates(directory / "tls", "DNS:redis.example"))
    daemon = new_daemon(settings)
    daemon.wait_for_log("TLS: .*: the certificate is for another name than redis.host")
    other = new_daemon({**settings, "redis.tls_ca": str(make_certificates(directory / "other")["ca"])}, name="other")
    other.wait_for_log("TLS: .*redis.tls_ca (does not have|has another)")


def test_a_sentinel(new_daemon, new_redis, bench, directory):
    """A sentinel has no data. The log says so, instead of showing the start of a script."""
    server = new_redis(port=free_port())
    port = free_port()
    path = directory / "sentinel.conf"
    path.write_text(f"port {port}\nbind 127.0.0.1\ndir {directory}\nsentinel monitor mymaster 127.0.0.1 {server.port} 1\n")
    sentinel = Process("sentinel", [need_program("redis-server", "redis-server"), path, "--sentinel"], directory)
    try:
        daemon = new_daemon({"redis.host": "127.0.0.1", "redis.port": port, **HASTY})
        daemon.wait_for_log("this is a Sentinel, which keeps no data: set redis.host and redis.port to the master")
        assert "SPDX" not in daemon.log()
    finally:
        sentinel.kill()


def test_the_address_behind_a_name(new_daemon, new_redis):
    server = new_redis(port=free_port())
    daemon = new_daemon({"redis.host": "localhost", "redis.port": server.port, **HASTY}).wait_for_store()
    assert daemon.status()["store"]["address"] == f"localhost:{server.port}"
    assert daemon.status()["store"]["peer"] == f"127.0.0.1:{server.port}"
    daemon.wait_for_log(rf"redis localhost:{server.port}: ready after .* \(127.0.0.1:{server.port}\)")
    server.kill()
    daemon.wait_for_log(rf"redis localhost:{server.port}: connect: Connection refused \(.*:{server.port}\); retrying in")


@pytest.mark.parametrize("content", [None, "not a certificate\n", ""], ids=["absent", "text", "empty"])
def test_a_file_of_authorities_that_cannot_be_read(directory, content):
    """The error shows at the start, so the daemon does not run without the TLS that was configured."""
    if content is not None:
        (directory / "ca.pem").write_text(content)
    result = run_daemon("--config", "/dev/null", "--set", "redis.host=localhost", "--set", "redis.tls=true", "--set",
                        f"redis.tls_ca={directory}/ca.pem", "--set", f"admin.socket={directory}/a.sock", "--set", "http.listen=127.0.0.1:0")
    assert result.status == 78
    lines = [line for line in result.errors.splitlines() if " error " in line]
    assert len(lines) == 1
    assert "redis.tls_ca" in lines[0] and "ca.pem" in lines[0]


def test_the_access_list_is_the_one_in_the_documentation():
    """Every access list with commands in the documents is this one."""
    pattern = re.compile(r"-@all((?: \+[a-z|]+)+)")
    lists = {}
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("man/*"), *ROOT.glob("packaging/**/*.*"), *ROOT.glob("systemd/**/*.*")]:
        for found in pattern.finditer(path.read_text(errors="replace") if path.is_file() else ""):
            lists[path] = set(found[1].replace("+", "").split())
    assert ROOT / "docs/redis.md" in lists
    for path, commands in lists.items():
        assert commands - {"client|setname", "info", "bgrewriteaof"} == set(NEEDED), path
