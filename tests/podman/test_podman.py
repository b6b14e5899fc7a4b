# SPDX-License-Identifier: MIT
"""The pods of packaging/podman with the real podman: images, counting through nginx, health, hardening, replay, another number of instances, and
down.

All pods, volumes and images get names of their own (visitcountd-test-…). Only port 5002 is fixed, because the nginx pod publishes it. Without
systemd podman runs no health checks by itself. The tests run each check with `podman healthcheck run`, as the timer does.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]

sys.path.append(str(ROOT / "tests"))

import ports  # noqa: E402

PODMAN_DIRECTORY = ROOT / "packaging" / "podman"
CONTAINER_DIRECTORY = ROOT / "packaging" / "container"
PORT = 5002
UID = 65532


def skip(reason):
    """A skip names its reason; in CI it is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"may not be skipped in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def wait_for(condition, what, seconds=60):
    """The only function that waits. Returns the first true value of `condition` or fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def run(*command, check=True, timeout=300, **options):
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=timeout, check=False, **options
    )
    if check and result.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def podman(*arguments, **options):
    return run(CONTAINER_DIRECTORY / "env", "podman", *arguments, **options)


def generate(*arguments, **options):
    return run(PODMAN_DIRECTORY / "generate", *arguments, **options)


def documents(text, kind):
    return [document for document in yaml.safe_load_all(text) if document["kind"] == kind]


# ---------------------------------------------------------------------------------------------- the file, without podman


def test_the_file_in_the_repository_is_what_the_generator_prints():
    assert (PODMAN_DIRECTORY / "visitcountd.yaml").read_text() == generate("3").stdout, "stale: run make kube"


@pytest.mark.parametrize("instances", [1, 3, 64])
def test_there_is_a_pod_for_each_instance_and_one_for_redis_and_nginx(instances):
    text = generate(instances).stdout
    names = [pod["metadata"]["name"] for pod in documents(text, "Pod")]
    numbered = [f"visitcountd-{i}" for i in range(1, instances + 1)]
    assert names == ["visitcountd-redis", *numbered, "visitcountd-nginx"]
    assert {document["kind"] for document in yaml.safe_load_all(text)} == {"ConfigMap", "Pod"}
    assert "replicas" not in text


@pytest.mark.parametrize("argument", ["0", "-1", "65", "x", "", "3 3"])
def test_the_generator_refuses_what_is_no_number_of_instances(argument):
    result = generate(*argument.split(" "), check=False)
    assert result.returncode == 64
    assert "INSTANCES is a number from 1 to 64" in result.stderr or "unknown argument" in result.stderr
    assert result.stdout == ""


def test_every_container_is_unprivileged_and_its_root_is_read_only():
    for pod in documents(generate("3").stdout, "Pod"):
        for container in pod["spec"]["containers"]:
            security = container["securityContext"]
            assert security["runAsUser"] == security["runAsGroup"] == UID
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_every_pod_has_a_health_check_and_a_second_container():
    """If the only container of a pod fails its health check, podman 4.3 may stop the pod for good (an observed race)."""
    for pod in documents(generate("3").stdout, "Pod"):
        worker, keeper = pod["spec"]["containers"]
        assert keeper["name"] == "keeper"
        assert worker["livenessProbe"]["exec"]["command"]
        if pod["metadata"]["labels"]["role"] == "instance":
            assert worker["livenessProbe"]["exec"]["command"] == ["visitcountctl", "--timeout", "3s", "ping"]


def test_no_two_pods_share_a_volume():
    """podman 4.3 uses one volume for all emptyDir volumes of the same name."""
    volumes = [volume["name"] for pod in documents(generate("5").stdout, "Pod")
               for volume in pod["spec"]["volumes"] if "emptyDir" in volume]
    assert len(volumes) == 6 and len(set(volumes)) == 6


def test_the_nginx_configuration_in_the_pods_is_the_one_of_the_repository():
    maps = {map["metadata"]["name"]: map["data"] for map in documents(generate("3").stdout, "ConfigMap")}
    original = (ROOT / "etc" / "nginx" / "visitcountd.conf").read_text()
    assert maps["visitcountd-nginx-files"]["visitcountd.conf"] == original


def test_the_quadlet_unit_plays_this_file():
    unit = (PODMAN_DIRECTORY / "quadlet" / "visitcountd-pods.kube").read_text()
    sections = re.findall(r"^\[(\w+)\]$", unit, re.M)
    assert sections == ["Unit", "Kube", "Service", "Install"]
    assert re.search(r"^Yaml=/etc/visitcountd/podman/visitcountd\.yaml$", unit, re.M)


# --------------------------------------------------------------------------------------------------- the pods, for real


class Pods:
    """All pods of a visitcountd under a name of its own."""

    def __init__(self, directory):
        self.name = f"visitcountd-test-{secrets.token_hex(3)}"
        self.tag = self.name
        self.file = directory / "visitcountd.yaml"
        self.instances = 0

    def write(self, instances):
        self.instances = instances
        self.file.write_text(generate("--name", self.name, "--tag", self.tag, instances).stdout)

    def play(self, *options):
        return podman("play", "kube", *options, self.file)

    def down(self):
        return podman("kube", "down", self.file)

    def stop(self, pod):
        podman("pod", "stop", pod)

    def play_again(self, pod):
        """Removes one pod and plays its part of the file alone."""
        self.stop(pod)
        podman("pod", "rm", pod)
        parts = [part for part in yaml.safe_load_all(self.file.read_text())
                 if part["kind"] == "ConfigMap" or part["metadata"]["name"] == pod]
        podman("play", "kube", "-", input=yaml.safe_dump_all(parts))

    def running(self):
        return sorted(podman("pod", "ps", "--filter", f"label=app={self.name}", "--format", "{{.Name}}").stdout.split())

    def volumes(self):
        names = podman("volume", "ls", "--format", "{{.Name}}").stdout.split()
        return [name for name in names if name.startswith(self.name)]

    def instance_names(self):
        return [f"{self.name}-{i}" for i in range(1, self.instances + 1)]

    def container(self, pod):
        """The main container of a pod."""
        role = pod.removeprefix(f"{self.name}-")
        return f"{pod}-{role if role in ('redis', 'nginx') else 'visitcountd'}"

    def main_containers(self):
        return [self.container(f"{self.name}-{role}") for role in ("redis", *range(1, self.instances + 1), "nginx")]

    def all_containers(self):
        result = podman("ps", "--all", "--filter", f"name=^{self.name}-", "--format", "{{.Names}}")
        return sorted(name for name in result.stdout.split() if not name.endswith("-infra"))

    def execute(self, container, *command, **options):
        return podman("exec", container, *command, **options)

    def status(self, instance):
        return json.loads(self.execute(self.container(instance), "visitcountctl", "status", "--json").stdout)

    def visits(self):
        return {instance: accepted_visits(self.status(instance)) for instance in self.instance_names()}

    def address(self, pod):
        infra = podman("pod", "inspect", "--format", "{{.InfraContainerID}}", pod).stdout.strip()
        networks = json.loads(podman("inspect", infra).stdout)[0]["NetworkSettings"]["Networks"]
        return next(iter(networks.values()))["IPAddress"]

    def pid(self, container):
        return int(podman("inspect", "--format", "{{.State.Pid}}", container).stdout)

    def remove(self):
        """Removes all that a failed test left."""
        for pod in self.running():
            podman("pod", "stop", "--time", "2", pod, check=False)
            podman("pod", "rm", "--force", pod, check=False)
        for volume in self.volumes():
            podman("volume", "rm", "--force", volume, check=False)
        podman("secret", "rm", f"{self.name}-redis", check=False)
        for image in ("visitcountd", "visitcountd-redis", "visitcountd-nginx"):
            podman("rmi", f"localhost/{image}:{self.tag}", check=False)


def accepted_visits(status):
    return status["visits"]["accepted"]


def get(path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def count():
    """Makes one visit through nginx. Returns its number."""
    status, body = get("/count.json")
    assert status == 200, body
    return json.loads(body)["count"]


class Visitors:
    """Makes visits from some threads until the block ends."""

    def __init__(self, threads):
        self.numbers = []
        self.failures = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(threads)]

    def _visit(self):
        while not self._end.is_set():
            status, body = get("/count.json")
            if status == 200:
                self.numbers.append(json.loads(body)["count"])
            else:
                self.failures.append((status, body))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        for thread in self._threads:
            thread.join()


def wait_until_counting():
    """Waits until /readyz is 200 behind nginx. /readyz does not count."""
    wait_for(lambda: get("/readyz")[0] == 200, "an instance behind nginx is ready")


def needs():
    for tool, package in (("podman", "podman"), ("mmdebstrap", "mmdebstrap"), ("catatonit", "catatonit")):
        if shutil.which(tool) is None:
            skip(f"{tool} is missing (apt-get install {package})")
    if not any(pathlib.Path(directory, "netavark").exists() for directory in ("/usr/lib/podman", "/usr/libexec/podman")):
        skip("netavark is missing (apt-get install netavark aardvark-dns)")
    if os.geteuid() != 0:
        skip("the pods' network and the addresses in it need root")


def port_is_free():
    return ports.is_free(PORT) and get("/")[0] == 0  # a published port of other pods is redirected without a listener


@pytest.fixture(scope="module")
def pods(tmp_path_factory):
    needs()
    if not port_is_free():
        pytest.fail(f"port {PORT} is taken; the nginx pod needs it", pytrace=False)
    pods = Pods(tmp_path_factory.mktemp("pods"))
    try:
        run(CONTAINER_DIRECTORY / "build-images", "--tag", pods.tag)
        run(PODMAN_DIRECTORY / "secret", f"{pods.name}-redis")
        yield pods
    finally:
        pods.remove()


@pytest.mark.story
class TestThePods:
    def test_play_starts_redis_three_instances_and_nginx(self, pods):
        pods.write(3)
        pods.play()
        assert pods.running() == sorted(f"{pods.name}-{role}" for role in ("redis", "1", "2", "3", "nginx"))
        wait_until_counting()

    def test_what_is_played_is_the_file_of_the_repository_but_for_the_names(self, pods):
        ours = pods.file.read_text()
        for image in ("visitcountd", "visitcountd-redis", "visitcountd-nginx"):
            ours = ours.replace(f"localhost/{image}:{pods.tag}", f"localhost/{image}:latest")
        ours = ours.replace(pods.name, "visitcountd")
        assert ours == (PODMAN_DIRECTORY / "visitcountd.yaml").read_text()

    def test_visits_through_nginx_get_each_number_once(self, pods):
        with concurrent.futures.ThreadPoolExecutor(16) as executor:
            numbers = sorted(executor.map(lambda _: count(), range(600)))
        assert numbers == list(range(1, 601))
        visits = pods.visits()
        assert sum(visits.values()) == 600
        assert all(visits.values()), visits

    def test_a_browser_sees_the_number(self, pods):
        status, body = get("/count", Accept="text/html")
        assert status == 200
        assert "Visitor count: 601" in body

    def test_status_of_every_instance(self, pods):
        for instance in pods.instance_names():
            result = pods.execute(pods.container(instance), "visitcountctl", "status")
            assert instance in result.stdout
            assert "/run/sockets/redis.sock" in result.stdout

    def test_every_health_check_succeeds(self, pods):
        for container in pods.main_containers():
            result = podman("healthcheck", "run", container, check=False)
            assert result.returncode == 0, (container, result.stdout, result.stderr)
            health = podman("inspect", "--format", "{{.State.Health.Status}}", container).stdout.strip()
            assert health == "healthy", container

    def test_every_root_is_read_only_and_nothing_is_privileged(self, pods):
        containers = pods.all_containers()
        assert len(containers) == 2 * len(pods.running())
        for container in containers:
            process = pathlib.Path("/proc", str(pods.pid(container)))
            status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
            assert status["Uid"].split() == [str(UID)] * 4, container
            assert status["Gid"].split() == [str(UID)] * 4, container
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(status[capabilities], 16) == 0, (container, capabilities)
            assert status["NoNewPrivs"] == "1", container
            mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
            root = next(mount for mount in mounts if mount[4] == "/")
            assert "ro" in root[5].split(","), container
            written = pods.execute(container, "touch", "/written", check=False)
            assert written.returncode != 0 and "Read-only file system" in written.stderr, container

    def test_redis_needs_the_password_and_keeps_everything(self, pods):
        redis = f"{pods.name}-redis-redis"
        refused = pods.execute(redis, "env", "-u", "REDISCLI_AUTH", "redis-cli", "ping").stdout
        assert "NOAUTH" in refused
        for option, value in (("appendonly", "yes"), ("maxmemory-policy", "noeviction"), ("appendfsync", "everysec")):
            answer = pods.execute(redis, "redis-cli", "config", "get", option).stdout.split()
            assert answer == [option, value]
        password = pods.execute(redis, "sh", "-c", 'printf %s "$REDISCLI_AUTH"').stdout
        assert len(password) >= 32
        assert password not in pods.file.read_text()
        for container in pods.main_containers():
            assert password not in pathlib.Path(f"/proc/{pods.pid(container)}/cmdline").read_text(), container

    def test_only_nginx_listens_on_the_network(self, pods):
        for pod in pods.running():
            for port in (6379, 8080, PORT):
                with socket.socket() as client:
                    client.settimeout(5)
                    answer = client.connect_ex((pods.address(pod), port))
                    assert (answer == 0) == (pod == f"{pods.name}-nginx" and port == PORT), (pod, port, answer)

    def test_nginx_can_neither_take_away_nor_replace_a_socket(self, pods):
        nginx = pods.container(f"{pods.name}-nginx")
        for command in (["rm", "/run/sockets/redis.sock"], ["touch", f"/run/sockets/{pods.name}-4.sock"]):
            result = pods.execute(nginx, *command, check=False)
            assert result.returncode != 0 and "Read-only file system" in result.stderr

    def test_the_data_is_on_the_volume_of_the_claim(self, pods):
        volume = podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{pods.name}-redis-data").stdout.strip()
        assert any(pathlib.Path(volume).rglob("*.aof"))

    def test_a_crashed_instance_comes_back(self, pods):
        container = pods.container(f"{pods.name}-1")
        before = pods.pid(container)
        os.kill(before, 9)
        wait_for(lambda: pods.pid(container) not in (0, before), f"{container} runs again")
        wait_for(lambda: pods.execute(container, "visitcountctl", "ping", check=False).returncode == 0, "it answers")

    def test_an_instance_that_hangs_is_restarted_by_its_health_check(self, pods):
        container = pods.container(f"{pods.name}-3")
        before = pods.pid(container)
        os.kill(before, 19)
        for _ in range(3):
            podman("healthcheck", "run", container, check=False)
        wait_for(lambda: pods.pid(container) not in (0, before), f"{container} runs again")
        wait_for(lambda: podman("healthcheck", "run", container, check=False).returncode == 0, "it is healthy")
        assert pods.container(f"{pods.name}-3").removesuffix("-visitcountd") in pods.running()

    def test_an_instance_is_made_again_and_no_visitor_notices(self, pods):
        pod = f"{pods.name}-2"
        before = pods.address(pod)
        with Visitors(4) as visitors:
            pods.play_again(pod)
            assert pods.address(pod) != before
            wait_for(lambda: accepted_visits(pods.status(pod)) > 0, f"{pod} gets visits again")
        assert visitors.failures == []
        assert len(visitors.numbers) == len(set(visitors.numbers)) > 100

    def test_redis_is_made_again_and_the_count_is_in_it(self, pods):
        pod, number = f"{pods.name}-redis", count()
        pods.stop(pod)
        status, body = get("/count.json")
        assert status == 503, body
        pods.play_again(pod)
        wait_until_counting()
        assert count() == number + 1

    def test_replayed_pods_find_the_count_again(self, pods):
        before = count()
        pods.play("--replace")
        wait_until_counting()
        assert count() == before + 1

    def test_down_removes_all_pods_and_keeps_the_volume(self, pods):
        before = count()
        pods.down()
        assert pods.running() == []
        assert pods.all_containers() == []
        assert f"{pods.name}-redis-data" in pods.volumes()
        assert get("/")[0] == 0
        pods.play()
        wait_until_counting()
        assert count() == before + 1

    def test_five_instances_all_serve(self, pods):
        before = count()
        pods.down()  # with the file that was played: podman 4.3 removes no pod if one pod of the file is missing
        pods.write(5)
        pods.play()
        wait_until_counting()

        def all_serve():
            count()
            return all(pods.visits().values())

        wait_for(all_serve, "all five instances get visits")
        assert len(pods.instance_names()) == 5
        assert count() == before + sum(pods.visits().values())

    def test_the_documented_command_removes_whatever_number_of_pods_runs(self, pods):
        podman("pod", "stop", f"{pods.name}-4")
        podman("pod", "rm", f"{pods.name}-4")
        lines = pods.file.read_text().splitlines()
        command = next(line for line in lines if line.startswith("#   pods=")).removeprefix("#   ")
        run(CONTAINER_DIRECTORY / "env", "bash", "-euc", command)
        assert pods.running() == []
        assert pods.all_containers() == []
