"""Publish ports as a user does. Where they are reached from is tried with the driver, in ``tests/plugins/network``."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

WEB = ("sh", "-c", "echo hello >/tmp/index.html && exec httpd -f -h /tmp")


def fetch(port):
    """Return what a web server says that may just be starting."""
    deadline = time.monotonic() + 5
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=5) as answer:
                return answer.read()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def is_free(port):
    try:
        with socket.create_server(("", port)):
            return True
    except OSError:
        return False


@pytest.fixture
def port():
    """A port that was free a moment ago, above those that the kernel gives away."""
    for number in range(61000 + os.getpid() % 4000, 65536):
        if is_free(number):
            return number
    raise AssertionError("no port is free")


def test_a_published_port(sampan, port):
    sampan.run("run", "-d", "--name", "c1", "-p", f"{port}:80", "-p", "127.0.0.1::81", "--expose", "90", "bb:1", *WEB)
    assert fetch(port) == b"hello\n"
    free = sampan.run("port", "c1", "81").removeprefix("127.0.0.1:")
    assert sampan.run("port", "c1").splitlines() == [
        f"80/tcp -> 0.0.0.0:{port}", f"80/tcp -> [::]:{port}", f"81/tcp -> 127.0.0.1:{free}"]
    assert sampan.run("port", "c1", "80/tcp").splitlines() == [f"0.0.0.0:{port}", f"[::]:{port}"]
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        low, high = map(int, file.read().split())
    assert low <= int(free) <= high
    assert sampan.run("ps", "--format", "{{.Ports}}") == (
        f"90/tcp, 0.0.0.0:{port}->80/tcp, [::]:{port}->80/tcp, 127.0.0.1:{free}->81/tcp")
    document = json.loads(sampan.run("inspect", "c1"))[0]
    everywhere = [{"HostIp": "0.0.0.0", "HostPort": str(port)}, {"HostIp": "::", "HostPort": str(port)}]
    assert document["NetworkSettings"]["Ports"] == {
        "80/tcp": everywhere, "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": free}], "90/tcp": None}
    assert document["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": str(port)}], "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert document["Config"]["ExposedPorts"] == {"80/tcp": {}, "81/tcp": {}, "90/tcp": {}}

    def names(*filters):
        return sampan.run("ps", "-a", *(word for one in filters for word in ("-f", one)), "--format", "{{.Names}}")

    # Docker's filter `publish` is for the host's ports, and `expose` for the container's.
    assert names(f"publish={port}") == names("expose=80") == names("expose=90") == "c1"
    assert names("publish=80") == names(f"publish={port}/udp") == names(f"expose={port}") == ""
    sampan.run("stop", "-t", "0", "c1")
    assert is_free(port)
    assert sampan.run("port", "c1") == names(f"publish={port}") == ""
    assert sampan.run("ps", "-a", "--format", "{{.Ports}}") == ""
    assert json.loads(sampan.run("inspect", "c1"))[0]["NetworkSettings"]["Ports"] == {}
    sampan.run("start", "c1")
    assert fetch(port) == b"hello\n"


def test_a_port_in_use(sampan, port):
    with socket.create_server(("", port)):
        told = sampan.fails("run", "-d", "--name", "c1", "-p", f"{port}:80", "bb:1", *WEB, code=125)
    assert re.fullmatch(
        r"driver failed programming external connectivity on endpoint c1 \([0-9a-f]{64}\): "
        rf"Error starting userland proxy: listen tcp4 0\.0\.0\.0:{port}: bind: address already in use "
        r"\(choose another port of the host\)", told)
    assert sampan.state("c1") == "created"
    sampan.run("start", "c1")
    assert fetch(port) == b"hello\n"
    told = sampan.fails("run", "--rm", "--name", "c2", "-p", f"{port}:80", "bb:1", *WEB, code=125)
    assert f": Bind for 0.0.0.0:{port} failed: port is already allocated (" in told
    assert sampan.run("ps", "-a", "--format", "{{.Names}}") == "c1"


def test_publish_all(sampan, port):
    sampan.run("run", "-d", "--name", "c1", "-P", "--expose", "53/udp", "-p", f"{port}:80", "bb:1", *WEB)
    document = json.loads(sampan.run("inspect", "c1"))[0]
    found = document["NetworkSettings"]["Ports"]
    assert list(found) == ["53/udp", "80/tcp"] and found["80/tcp"][0]["HostPort"] == str(port)
    assert [one["HostIp"] for one in found["53/udp"]] == ["0.0.0.0", "::"]
    assert document["HostConfig"]["PublishAllPorts"] is True
    assert list(document["HostConfig"]["PortBindings"]) == ["80/tcp"]


def test_a_killed_monitor_gives_its_ports_back(sampan, port):
    sampan.run("run", "-d", "--name", "c1", "-p", f"{port}:80", "bb:1", *WEB)
    assert fetch(port) == b"hello\n"
    pid = sampan.run("inspect", "-f", "{{.State.Pid}}", "c1")
    with open(f"/proc/{pid}/stat") as file:
        os.kill(int(file.read().rpartition(") ")[2].split()[1]), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while not is_free(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    sampan.run("run", "-d", "--name", "c2", "-p", f"{port}:80", "bb:1", *WEB)
    assert fetch(port) == b"hello\n"
    assert sampan.run("ps", "--format", "{{.Names}}") == "c2"


def test_networks_without_ports_of_their_own(sampan, port):
    result = sampan.result("create", "--name", "c1", "--net=host", "-p", f"{port}:80", "bb:1")
    assert (result.returncode, result.stderr) == (
        0, b"WARNING: Published ports are discarded when using host network mode\n")
    sampan.run("run", "-d", "--name", "c2", "--net=none", "-p", f"{port}:80", "bb:1", "sleep", "1000")
    assert is_free(port)
    assert json.loads(sampan.run("inspect", "c2"))[0]["NetworkSettings"]["Ports"] == {}
    for flags, what in ((("-p", "80"), "publishing"), (("-P",), "publishing"), (("--expose", "80"), "exposing")):
        assert sampan.fails("run", "--net", "container:c2", *flags, "bb:1", code=125) == (
            f"conflicting options: port {what} and the container type network mode")


def test_connecting_publishes_where_nothing_is_yet(sampan, port):
    inner, outer = (f"{sampan.bridge}{letter}" for letter in "io")
    for name, words in ((inner, ("--internal",)), (outer, ())):
        sampan.run("network", "create", *words, "-o", f"com.docker.network.bridge.name={name}", name)
    sampan.run("run", "-d", "--name", "c1", "--net", inner, "-p", f"{port}:80", "bb:1", *WEB)
    assert is_free(port)  # nothing leads to an internal network, as in Docker
    sampan.run("network", "connect", outer, "c1")
    assert fetch(port) == b"hello\n"
    sampan.run("network", "disconnect", outer, "c1")
    assert is_free(port)
    sampan.run("rm", "-f", "c1")
    sampan.run("network", "rm", inner, outer)


def test_ports_go_with_the_default_route(sampan, port):
    first, second = (f"{sampan.bridge}{letter}" for letter in "ab")
    for name in (first, second):
        sampan.run("network", "create", "-o", f"com.docker.network.bridge.name={name}", name)
    sampan.run("run", "-d", "--name", "c1", "--net", second, "-p", f"{port}:80", "-p", "90", "bb:1", *WEB)

    def publisher():
        """Return the network whose gateway the container sees a client come from, by the address that is led to."""
        assert fetch(port) == b"hello\n"
        document = json.loads(sampan.run("inspect", "c1"))[0]["NetworkSettings"]
        assert document["Ports"]["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": str(port)}
        rules = subprocess.run(["nft", "list", "ruleset", "ip"], check=True, capture_output=True, text=True).stdout
        return [
            name for name, network in document["Networks"].items() if f" : {network['IPAddress']} . 80" in rules]

    assert publisher() == [second]
    sampan.run("network", "connect", first, "c1")
    assert publisher() == [first]
    sampan.run("network", "disconnect", first, "c1")
    assert publisher() == [second]
    sampan.run("network", "disconnect", second, "c1")
    assert is_free(port)
    assert sampan.run("port", "c1") == ""
    sampan.run("network", "connect", first, "c1")
    sampan.run("network", "connect", second, "c1")
    assert publisher() == [first]
    sampan.run("rm", "-f", "c1")
    assert is_free(port)
    sampan.run("network", "rm", first, second)


def test_wrong_words(sampan):
    assert sampan.fails("run", "-p", "foo:80", "bb:1", code=125) == "invalid hostPort: foo"
    assert sampan.run("ps", "-aq") == ""
