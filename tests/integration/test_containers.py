"""The life of containers: listing, logs, exec, stop and start, removal."""

import json
import re
import subprocess
import time

import pytest

FOREVER = ("sh", "-c", "trap 'exit 0' TERM; echo started; echo oops >&2; while :; do sleep 0.05; done")


@pytest.fixture
def c1(sampan):
    flags = ("--name", "c1", "--net=none", "-l", "a=b", "-e", "GREETING=hello")
    identity = sampan.run("run", "-d", *flags, "bb:1", *FOREVER)
    deadline = time.monotonic() + 10
    while "oops" not in sampan.result("logs", "c1").stderr.decode():
        assert time.monotonic() < deadline
    return identity


def test_ps_shows_what_dockers_shows(sampan, c1):
    head, row = sampan.run("ps").splitlines()
    assert re.split(r"\s{2,}", head) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert re.fullmatch(
        c1[:12] + r'   bb:1      "sh -c \'trap \'exit 0…"   (Less than a second|\d+ seconds?) ago +Up .* +c1', row)
    assert sampan.run("ps", "--format", "{{.ID}}: {{.Names}} {{.Image}} {{.State}} {{.Networks}} {{.Label \"a\"}}") == (
        f"{c1[:12]}: c1 bb:1 running none b")
    assert sampan.run("ps", "--format", "table {{.ID}}\t{{.Names}}").splitlines() == [
        "CONTAINER ID   NAMES", f"{c1[:12]}   c1"]
    assert json.loads(sampan.run("ps", "--format", "json"))["Names"] == "c1"
    sampan.run("stop", "c1")
    assert sampan.run("ps", "-q") == ""
    assert "Exited (0)" in sampan.run("ps", "-a")


@pytest.mark.parametrize("alias", [["ps"], ["container", "ls"], ["container", "list"], ["container", "ps"]])
def test_ps_by_other_names(sampan, alias):
    identity = sampan.run("create", "bb:1")
    assert sampan.run(*alias, "-a", "-q", "--no-trunc") == identity


def test_ps_filters(sampan, c1):
    sampan.run("create", "--name", "other", "bb:1")
    sampan.run("run", "--name", "third", "--net=none", "bb:1", "true")

    def names(*filters):
        words = [word for one in filters for word in ("-f", one)]
        return sampan.run("ps", "-a", *words, "--format", "{{.Names}}").split()

    assert names() == ["third", "other", "c1"]
    assert names("name=c") == ["c1"]
    assert names("status=exited") == ["third"]
    assert names("status=created", "status=running") == ["other", "c1"]
    assert names("exited=0") == ["third"]
    assert names("label=a") == names("label=a=b") == names(f"id={c1[:5]}") == ["c1"]
    assert names("label=a=c") == []
    assert names("ancestor=bb:1", "name=other") == ["other"]
    assert names("before=other") == ["c1"]
    assert names("since=other") == ["third"]
    assert sampan.run("ps", "-l", "--format", "{{.Names}}") == "third"
    assert sampan.run("ps", "-n", "2", "--format", "{{.Names}}").split() == ["third", "other"]
    assert names("network=none") == ["third", "c1"] and names("network=nosuch") == []
    assert names("health=none", "is-task=false", "isolation=default") == names()
    assert names("is-task=true") == names("publish=80") == names("expose=80-81/udp") == names("name=[") == []
    assert sampan.run("ps", "-f", "exited=0") == sampan.run("ps", "-f", "name=nosuch")
    for wrong, message in {
        "publish=x": 'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax',
        "is-task=x": "Invalid filter 'is-task=[x]'", "health=x": "Unrecognised filter value for health: x",
        "before=nosuch": "no such container nosuch", "exited=x": 'strconv.Atoi: parsing "x": invalid syntax',
    }.items():
        assert sampan.fails("ps", "-f", wrong) == message
    assert sampan.fails("ps", "-f", "foo=bar") == "Invalid filter 'foo'"
    assert sampan.fails("ps", "-f", "status=foo") == "Invalid filter 'status=foo'"


def test_logs(sampan, c1):
    result = sampan.result("logs", "c1")
    assert (result.stdout, result.stderr) == (b"started\n", b"oops\n")
    assert sampan.result("logs", "-n", "1", "c1").stderr == b"oops\n"
    stamped = sampan.result("logs", "-t", "c1").stdout.decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z started\n", stamped)
    assert sampan.result("logs", "--since", "1h", "c1").stdout == b"started\n"
    assert sampan.result("logs", "--until", "1h", "c1").stdout == b""
    assert sampan.fails("logs", "--since", "foo", "c1") == (
        'invalid value for "since": failed to parse value as time or duration: "foo"')


def test_log_details(sampan):
    flags = ("-l", "a=x <y", "-e", "E=1", "--log-opt", "labels=a", "--log-opt", "env=E", "--log-opt", "tag={{.Name}}")
    sampan.run("run", "--name", "c1", "--net=none", *flags, "bb:1", "echo", "hello")
    assert sampan.run("logs", "--details", "c1") == "E=1,a=x+%3Cy,tag=c1 hello"
    stamped = sampan.run("logs", "--details", "-t", "c1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z E=1,a=x\+%3Cy,tag=c1 hello", stamped)


def test_logs_followed_to_the_end(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sh", "-c",
               "for i in 1 2 3 4; do echo $i; sleep 0.2; done")
    started = time.monotonic()
    assert sampan.run("logs", "-f", "c1").split() == ["1", "2", "3", "4"]
    assert time.monotonic() - started < 10


def test_exec(sampan, c1):
    script = "echo $GREETING $FROM $X; pwd; id -un"
    assert sampan.run("exec", "c1", "sh", "-c", script).split() == ["hello", "image", "/", "root"]
    flags = ("-e", "X=y", "-w", "/tmp", "-u", "alice")
    assert sampan.run("exec", *flags, "c1", "sh", "-c", script).split() == ["hello", "image", "y", "/tmp", "alice"]
    assert sampan.result("exec", "c1", "sh", "-c", "exit 6").returncode == 6
    assert sampan.result("exec", "c1", "sh", "-c", "kill -9 $$").returncode == 137
    assert sampan.fails("exec", "c1", "nosuch", code=127) == 'exec: "nosuch": executable file not found in $PATH'
    assert "/etc" in sampan.fails("exec", "c1", "/etc", code=126)
    assert "find user nobody-here" in sampan.fails("exec", "-u", "nobody-here", "c1", "id", code=126)
    assert "not a directory" in sampan.fails("exec", "-w", "/etc/passwd", "c1", "id", code=126)
    assert sampan.fails("exec", "nothing", "id", code=1) == "No such container: nothing"
    assert sampan.fails("exec", "-it", "c1", "sh") == "the input device is not a TTY"


def test_exec_passes_bytes_whole(sampan, c1):
    content = bytes(range(256)) * 20_000
    assert sampan.result("exec", "-i", "c1", "cat", stdin=content).stdout == content
    assert sampan.run("exec", "c1", "cat", stdin=b"not passed on") == ""


def test_exec_to_a_file_does_not_hand_it_over(sampan, c1, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        code = subprocess.run(sampan.command("exec", "c1", "sh", "-c", "readlink /proc/self/fd/1"), env=sampan.environ,
                              stdout=out, stdin=subprocess.DEVNULL).returncode
    assert code == 0
    assert (tmp_path / "out").read_text().startswith("pipe:")


def test_exec_ends_with_its_command_not_with_what_that_left_behind(sampan, c1):
    started = time.monotonic()
    assert sampan.run("exec", "c1", "sh", "-c", "sleep 30 & echo hi") == "hi"
    assert time.monotonic() - started < 10


def test_exec_in_the_background(sampan, c1):
    assert sampan.run("exec", "-d", "c1", "sh", "-c", "echo x > /tmp/x; sleep 50") == ""
    sampan.run("exec", "c1", "sh", "-c", "until test -s /tmp/x; do sleep 0.05; done")
    assert sampan.run("exec", "-dt", "c1", "sh", "-c", "tty > /tmp/y; sleep 51") == ""
    sampan.run("exec", "c1", "sh", "-c", "until test -s /tmp/y; do sleep 0.05; done")
    assert "sleep 51" in sampan.run("exec", "c1", "ps", "-o", "args")


def test_stop_start_kill_rm(sampan, c1):
    assert sampan.run("stop", "c1") == "c1"
    assert sampan.state("c1") == "exited"
    assert sampan.run("start", "c1") == "c1"
    assert sampan.state("c1") == "running"
    assert "running container" in sampan.fails("rm", "c1")
    assert sampan.run("kill", "c1") == "c1"
    assert sampan.fails("kill", "c1") == f"Cannot kill container: c1: Container {c1} is not running"
    assert sampan.fails("exec", "c1", "true").lower() == f"container {c1} is not running"
    assert sampan.fails("attach", "c1") == "You cannot attach to a stopped container, start it first"
    assert sampan.run("restart", "c1") == "c1"
    assert sampan.run("rm", "-f", c1[:6]) == c1[:6]
    assert sampan.fails("rm", "c1") == "No such container: c1"
    assert sampan.result("rm", "-f", "c1").returncode == 0


def test_stop_kills_what_does_not_listen(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sleep", "100")
    started = time.monotonic()
    sampan.run("stop", "-t", "1", "c1")
    assert 0.9 < time.monotonic() - started < 8
    assert sampan.run("wait", "c1") == "137"


def test_several_are_stopped_together(sampan):
    for name in ("one", "two", "three"):
        sampan.run("run", "-d", "--name", name, "--net=none", "bb:1", "sleep", "100")
    started = time.monotonic()
    result = sampan.result("stop", "-t", "2", "one", "nosuch", "two", "three")
    assert time.monotonic() - started < 5
    assert (result.returncode, result.stdout) == (1, b"one\ntwo\nthree\n")
    assert result.stderr == b"Error: No such container: nosuch\n"


def test_wait(sampan):
    sampan.run("run", "-d", "--name", "c1", "--net=none", "bb:1", "sh", "-c", "sleep 0.5; exit 3")
    assert sampan.run("wait", "c1") == "3"


def test_one_that_fails_does_not_keep_the_others(sampan):
    for name in ("one", "two"):
        sampan.run("create", "--name", name, "bb:1")
    result = sampan.result("rm", "one", "nosuch", "two")
    assert (result.returncode, result.stdout, result.stderr) == (
        1, b"one\ntwo\n", b"Error: No such container: nosuch\n")
    result = sampan.result("start", "nosuch", "other")
    assert result.stderr.decode().splitlines()[-1] == "Error: failed to start containers: nosuch, other"


def test_inspect(sampan, c1):
    (found,) = json.loads(sampan.run("inspect", "c1"))
    assert (found["Id"], found["Name"], found["State"]["Running"]) == (c1, "/c1", True)
    assert sampan.run("inspect", "-f", "{{.Name}} {{.Config.Image}}", "c1") == "/c1 bb:1"
    assert json.loads(sampan.run("image", "inspect", "bb:1"))[0]["RepoTags"] == ["bb:1"]
    assert json.loads(sampan.run("inspect", "--type", "image", "bb:1"))[0]["RepoTags"] == ["bb:1"]
    result = sampan.result("inspect", "nosuch")
    assert (result.returncode, result.stdout, result.stderr) == (1, b"[]\n", b"Error: No such object: nosuch\n")
    result = sampan.result("container", "inspect", "-f", "{{.Name}}", "bb:1", "c1")
    assert (result.returncode, result.stdout, result.stderr) == (1, b"/c1\n", b"Error: No such container: bb:1\n")


def test_prune(sampan, c1):
    other = sampan.run("create", "bb:1")
    question = "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
    assert sampan.run("container", "prune", stdin=b"n\n") == question
    assert sampan.run("container", "prune", stdin=b"y\n") == (
        f"{question}Deleted Containers:\n{other}\n\nTotal reclaimed space: 0B")
    assert sampan.run("container", "prune", "-f") == "Total reclaimed space: 0B"
    assert sampan.run("ps", "-aq", "--no-trunc") == c1


def test_attach_without_a_terminal(sampan):
    sampan.run("run", "-d", "-i", "--name", "c1", "--net=none", "bb:1", "sh", "-c", "read x; echo got $x; exit 4")
    result = sampan.result("attach", "c1", stdin=b"line\n")
    assert (result.returncode, result.stdout) == (4, b"got line\n")
