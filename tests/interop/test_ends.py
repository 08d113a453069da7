"""How commands end: the same containers, given to Docker and to Sampan, give the same exit codes and output."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.engine.containers import image_tar
from tests.integration.sampan import Sampan
from tests.services.docker import Docker

_STATE = "inspect -f {{.State.Status}}_{{.State.ExitCode}}_{{.State.Running}}_{{.State.Pid}} it"
_SLEEPS = "run -d --name it ends:1 sleep 1000"
# Commands of one container each, in order; what ``exec`` cannot execute ends with 126 for Docker 20, and with 127 where
# there is nothing of the name for later ones and us.
_STORIES: dict[str, tuple[str, ...]] = {
    "nothing of the name": (
        "create --name it ends:1 nosuch", "start -a it", "start -ai it", "start it", "restart -t 0 it", _STATE,
        "wait it", "ps -a --format {{.Names}}={{.Status}}", "run -d ends:1 nosuch",
        "run --rm --entrypoint nosuch ends:1 x",
    ),
    "no program": ("create --name it ends:1 /etc/plain", "start -a it", _STATE, "run --rm ends:1 /etc"),
    "one of several": (
        "create --name it ends:1 nosuch", "create --name two ends:1 true", "start two it nobody", "start -a two it",
        "wait two",
    ),
    "its own end": ("run --name it ends:1 sh -c exit_7", "start -ai it", _STATE, "wait it it"),
    "signals": (
        _SLEEPS, "kill -s 0 it", "kill -s 65 it", "kill -s NOPE it", "kill -s sigterm it", "kill --signal= it",
        "wait it", _STATE, "kill it", "stop it",
    ),
    "executed": (
        _SLEEPS, "exec it sh -c exit_9", "exec it /etc/plain", "exec it /etc", "exec -u nobody-here it id",
        "exec -d it nosuch", "exec -d it true", "pause it", "exec it true", "attach it", "start it", "stop -t 0 it",
        "exec it true", "attach it", "top it",
    ),
    "not there": ("start -a nobody", "restart nobody", "kill nobody", "rm -f nobody", "inspect -f {{.Id nobody"),
    "refused": (
        "create --cap-add NOPE ends:1", "create --log-opt nope=1 ends:1", "create --restart nope ends:1",
        "create --nope ends:1", "run", "run --rm -d --restart always ends:1", "run -d -a stdout ends:1",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def engines(docker: Docker) -> Iterator[tuple[Docker, Sampan]]:
    directory = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))
    sampan = Sampan(directory)
    try:
        for engine in (docker, sampan):
            engine.run("import", "-", "ends:1", stdin=image_tar())
        yield docker, sampan
        sampan.clear()
    finally:
        docker.result("rmi", "ends:1")
        sampan.destroy()
        shutil.rmtree(directory)


@pytest.mark.parametrize("story", _STORIES.values(), ids=_STORIES)
def test_the_same_ends(engines: tuple[Docker, Sampan], story: tuple[str, ...]) -> None:
    theirs, ours = (_told(engine, story) for engine in engines)
    assert ours == theirs


def _told(engine: Docker | Sampan, story: tuple[str, ...]) -> list[tuple[str, int, str]]:
    """Return, of each command, the exit code, and what it printed unless that is an id of the engine's own."""
    told = []
    try:
        for line in story:
            words = [word.replace("exit_", "exit ") for word in line.split()]
            result = engine.result(*words)
            # Ids are each engine's own, and an old engine tells on stdout what it could not execute.
            silent = words[:2] in (["run", "-d"], ["create", "--name"]) or words[0] == "exec"
            told.append((line, result.returncode, "" if silent else result.stdout.decode()))
    finally:
        for container in engine.run("ps", "-aq").split():
            engine.run("rm", "-f", container)
    return told
