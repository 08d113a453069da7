"""What ``stats`` shows, and ``update`` changes."""

import json
import re

import pytest


@pytest.fixture
def c1(sampan):
    return sampan.run("run", "-d", "--name", "c1", "--net=none", "-m", "50m", "bb:1", "sleep", "1000")


def test_stats(sampan, c1):
    head, row = sampan.run("stats", "--no-stream").splitlines()
    assert re.split(r"\s{2,}", head) == [
        "CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"]
    assert re.fullmatch(c1[:12] + r" +c1 +\d+\.\d\d% +[\d.]+(KiB|MiB) / 50MiB +\d\.\d\d% +0B / 0B +\S+ / \S+ +1", row)
    sampan.run("create", "--name", "c2", "bb:1")
    form = ("--format", "{{.Container}}|{{.Name}}|{{.MemUsage}}|{{.PIDs}}")
    assert sampan.run("container", "stats", "--no-stream", *form, "c2") == "c2|c2|0B / 0B|0"
    assert sampan.run("stats", "--no-stream", "-a", "--no-trunc", "--format", "{{.ID}}").splitlines()[1] == c1
    assert json.loads(sampan.run("stats", "--no-stream", "--format", "json", "c1"))["Name"] == "c1"
    assert sampan.fails("stats", "nosuch") == "No such container: nosuch"


def test_stats_as_they_change(sampan, c1):
    with sampan.popen("stats") as watching:
        assert watching.stdout.readline().startswith(b"\x1b[HCONTAINER ID")
        assert watching.stdout.readline().startswith(c1[:12].encode())
        assert watching.stdout.readline().startswith(b"\x1b[J\x1b[HCONTAINER ID")
        watching.terminate()


def test_update(sampan, c1):
    assert sampan.run("update", "-m", "60m", "--pids-limit", "30", "--restart", "on-failure:3", "c1") == "c1"
    form = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{json .HostConfig.RestartPolicy}}"
    assert sampan.run("inspect", "-f", form, "c1") == (
        '62914560 30 {"Name":"on-failure","MaximumRetryCount":3}')
    assert sampan.run("stats", "--no-stream", "--format", "{{.MemUsage}}").endswith(" / 60MiB")
    assert sampan.fails("update", "c1") == "you must provide one or more flags when using this command"
    assert sampan.fails("update", "-m", "1m", "c1") == "Minimum memory limit allowed is 6MB"
    assert sampan.fails("update", "--restart", "foo", "c1") == "invalid restart policy 'foo'"
    assert sampan.fails("update", "--cpu-period", "10", "c1") == (
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
