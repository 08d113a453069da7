"""What ``events`` tells, and the health that ``ps`` shows."""

import json
import re
import time

import pytest


def test_events(sampan):
    sampan.run("run", "--name", "c1", "--net=none", "-l", "a=b", "bb:1", "true")
    sampan.run("rm", "c1")
    lines = sampan.run("events", "--since", "1h", "--until", "0s", "-f", "container=c1").splitlines()
    assert [line.split()[2] for line in lines] == ["create", "attach", "start", "die", "destroy"]
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)"
    assert re.fullmatch(stamp + r" container create [0-9a-f]{64} \(a=b, image=bb:1, name=c1\)", lines[0])
    flags = ("--since", "1h", "--until", "0s", "-f", "event=die")
    died = json.loads(sampan.run("system", "events", *flags, "--format", "json"))
    assert died["Actor"]["Attributes"]["exitCode"] == "0"
    form = ("--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}")
    assert sampan.run("events", *flags, *form) == "container die c1"


def test_events_as_they_come(sampan):
    sampan.run("create", "--name", "before", "bb:1")
    with sampan.popen("events", "--format", "{{.Action}}") as following:
        time.sleep(0.5)
        sampan.run("rm", "before")
        assert following.stdout.readline() == b"destroy\n"
        following.terminate()
        assert following.wait(10) == 143


@pytest.mark.parametrize(("words", "code", "message"), [
    (("--since", "foo"), 1, 'failed to parse value as time or duration: "foo"'),
    (("--since", "1h", "--until", "0s", "--format", "{{.Foo}}"), 64,
     'Error parsing format: template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *events.Message'),
])
def test_what_events_refuses(sampan, words, code, message):
    sampan.run("create", "bb:1")
    assert sampan.fails("events", *words, code=code) == message


def test_health(sampan):
    flags = ("--health-cmd", "echo fine", "--health-interval", "50ms", "--health-retries", "1")
    sampan.run("run", "-d", "--name", "c1", "--net=none", *flags, "bb:1", "sleep", "1000")
    sampan.run("run", "-d", "--name", "c2", "--net=none", "bb:1", "sleep", "1000")
    deadline = time.monotonic() + 10
    while not re.fullmatch(r"Up .* \(healthy\)", sampan.run("ps", "-f", "name=c1", "--format", "{{.Status}}")):
        assert time.monotonic() < deadline
    assert sampan.run("ps", "-f", "health=healthy", "--format", "{{.Names}}") == "c1"
    assert sampan.run("ps", "-f", "health=none", "--format", "{{.Names}}") == "c2"
    assert sampan.run("inspect", "-f", "{{(index .State.Health.Log 0).Output}}", "c1") == "fine\n"
    assert sampan.run("inspect", "-f", "{{json .Config.Healthcheck}}", "c1") == (
        '{"Test":["CMD-SHELL","echo fine"],"Interval":50000000,"Retries":1}')
    assert sampan.fails("create", "--health-cmd", "x", "--no-healthcheck", "bb:1", code=125) == (
        "--no-healthcheck conflicts with --health-* options")
    assert sampan.fails("create", "--health-interval", "-1s", "bb:1", code=125) == (
        "--health-interval cannot be negative")
