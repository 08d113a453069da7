"""Containers that are paused, renamed, looked into, or restarted by their policy."""

import json
import re
import time

import pytest


@pytest.fixture
def c1(sampan):
    return sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sleep", "1000")


def test_pause(sampan, c1):
    assert sampan.run("pause", "c1") == "c1"
    assert re.fullmatch(r"Up .* \(Paused\)", sampan.run("ps", "--format", "{{.Status}}"))
    assert sampan.run("ps", "-qf", "status=paused") == c1[:12]
    state = json.loads(sampan.run("inspect", "-f", "{{json .State}}", "c1"))
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    assert sampan.fails("pause", "c1") == f"Container {c1} is already paused"
    assert sampan.fails("exec", "c1", "true") == "Container c1 is paused, unpause the container before exec"
    assert sampan.fails("attach", "c1") == "You cannot attach to a paused container, unpause it first"
    assert sampan.run("container", "unpause", "c1") == "c1"
    assert sampan.fails("unpause", "c1") == f"Container {c1} is not paused"
    assert sampan.run("exec", "c1", "echo", "on") == "on"
    sampan.run("pause", "c1")
    assert sampan.run("stop", "-t", "0", "c1") == "c1"
    result = sampan.result("pause", "c1", "nosuch")
    assert result.returncode == 1
    assert result.stderr.decode().splitlines() == [
        f"Error: Container {c1} is not running", "Error: No such container: nosuch"]


def test_rename(sampan, c1):
    assert sampan.run("rename", "c1", "c2") == ""
    assert sampan.run("ps", "--format", "{{.Names}}") == "c2"
    result = sampan.result("rename", "c2", "c2")
    assert (result.returncode, result.stderr.decode().splitlines()) == (1, [
        "Error: Renaming a container with the same name as its current name",
        "Error: failed to rename container named c2"])


def test_top(sampan, c1):
    head, row = sampan.run("top", "c1").splitlines()
    titles = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
    assert head == "".join(title.ljust(20) for title in titles).rstrip()
    assert row.endswith("00:00:00            sleep 1000")
    assert sampan.run("container", "top", "c1", "-o", "pid,comm").split()[:2] == ["PID", "COMMAND"]
    sampan.run("kill", "c1")
    assert sampan.fails("top", "c1") == f"Container {c1} is not running"


def test_port_of_a_container_that_publishes_none(sampan, c1):
    assert sampan.run("port", "c1") == ""
    assert sampan.fails("port", "c1", "80") == "No public port '80' published for c1"
    assert sampan.fails("port", "c1", "80/udp") == "No public port '80/udp' published for c1"
    assert sampan.fails("port", "c1", "x") == 'invalid port (x): strconv.ParseUint: parsing "x": invalid syntax'


def test_restart_policy(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "--restart", "on-failure:2", "bb:1", "sh", "-c", "exit 3")
    assert sampan.run("wait", "c1") == "3"
    sampan.until("c1", "exited")
    assert sampan.run("inspect", "-f", "{{.RestartCount}} {{json .HostConfig.RestartPolicy}}", "c1") == (
        '2 {"Name":"on-failure","MaximumRetryCount":2}')
    sampan.run("run", "-d", "--name", "c2", "--net=none", "--restart", "always", "bb:1", "sh", "-c", "exit 3")
    deadline = time.monotonic() + 10
    while not sampan.run("ps", "--format", "{{.Status}}").startswith("Restarting (3) "):
        assert time.monotonic() < deadline
    assert sampan.run("stop", "c2") == "c2"
    assert sampan.run("ps", "-q") == ""


@pytest.mark.parametrize(("policy", "code", "message"), [
    ("foo", 1, "invalid restart policy 'foo'"),
    ("always:3", 1, "maximum retry count cannot be used with restart policy 'always'"),
    ("on-failure:x", 125, "invalid restart policy format: maximum retry count must be an integer"),
    (":3", 125, "invalid restart policy format: no policy provided before colon"),
])
def test_what_is_no_restart_policy(sampan, policy, code, message):
    assert sampan.fails("create", "--restart", policy, "bb:1", code=code) == message


def test_remove_and_restart_exclude_each_other(sampan):
    assert sampan.fails("run", "--rm", "--restart=always", "bb:1", code=125) == (
        "conflicting options: cannot specify both --restart and --rm")


def test_boot(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "--restart", "always", "bb:1", "sleep", "1000")
    assert sampan.run("system", "boot") == ""
    sampan.run("kill", "c1")
    assert sampan.run("system", "boot") == "c1"
    assert sampan.state("c1") == "running"
