"""One volume plugin serves Docker and Sampan alike, and is asked the same by both."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.containers import image_tar
from tests.integration.sampan import Sampan
from tests.services.docker import Docker
from tests.services.volume_plugin import VolumePlugin, volume_plugin

_SOCKETS = Path("/run/docker/plugins")  # where both engines look


class _Both:
    """Both engines, and the plugin that both know as ``name``."""

    def __init__(self, docker: Docker, sampan: Sampan, plugin: VolumePlugin, name: str) -> None:
        self.docker = docker
        self.sampan = sampan
        self.plugin = plugin
        self.name = name

    def told(self, *words: Any) -> tuple[str, str]:
        """Return the last lines that both say, Docker's first, without the words that only one of them uses."""
        found = []
        for engine in (self.docker, self.sampan):
            result = engine.result(*words)
            line = (result.stdout + result.stderr).decode().strip().splitlines()[-1]
            found.append(line.removeprefix("Error response from daemon: ").removeprefix("Error: "))
        return found[0], found[1]


@pytest.fixture
def both(docker: Docker) -> Iterator[_Both]:
    directory = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))
    name = f"sq{os.urandom(4).hex()}"
    sampan = Sampan(directory)
    _SOCKETS.mkdir(parents=True, exist_ok=True)
    with volume_plugin(_SOCKETS / f"{name}.sock", directory / "plugin") as plugin:
        try:
            docker.run("import", "-", "plugged:1", stdin=image_tar())
            sampan.run("import", "-", "plugged:1", stdin=image_tar())
            yield _Both(docker, sampan, plugin, name)
            sampan.clear()
        finally:
            docker.run("volume", "prune", "-f")
            docker.result("rmi", "plugged:1")
            sampan.destroy()
            shutil.rmtree(directory)


def test_the_same_questions(both: _Both) -> None:
    asked = []
    for number, engine in enumerate((both.docker, both.sampan)):
        volume = f"{both.name}-{number}"
        engine.run("volume", "create", "-d", both.name, "-o", "color=red", volume)
        engine.run("run", "--rm", "--net=none", "-v", f"{volume}:/v:nocopy", "plugged:1", "sh", "-c", "echo > /v/file")
        engine.run("volume", "rm", volume)
        asked.append([
            (method, sorted(arguments), arguments.get("Name") == volume, arguments.get("Opts"))
            for method, arguments in both.plugin.asked() if method in ("Create", "Mount", "Unmount", "Remove")
        ])
    assert asked[0] == asked[1]
    assert [method for method, *_ in asked[0]] == ["Create", "Mount", "Unmount", "Remove"]


def test_each_finds_what_the_other_wrote(both: _Both) -> None:
    mount = f"{both.name}:/v:nocopy"
    for engine in (both.docker, both.sampan):
        engine.run("volume", "create", "-d", both.name, both.name)
    words = ("run", "--rm", "--net=none", "-v", mount, "plugged:1", "sh", "-c")
    both.docker.run(*words, "echo docker > /v/one")
    both.sampan.run(*words, "cat /v/one > /v/two && echo sampan >> /v/two")
    assert both.docker.run(*words, "cat /v/two") == "docker\nsampan"
    both.sampan.run("volume", "rm", both.name)  # Docker made it: it is Docker's still
    assert both.docker.run(*words, "cat /v/one") == "docker"
    both.docker.run("volume", "rm", both.name)


def test_the_same_words(both: _Both) -> None:
    theirs, ours = both.told("volume", "create", "-d", both.name, "-o", "size=1", "data")
    assert theirs == ours
    for engine in (both.docker, both.sampan):
        engine.run("volume", "create", "-d", both.name, f"{both.name}-{engine is both.docker}")
    columns = [
        engine.run("volume", "ls", "-f", f"driver={both.name}", "--format", "{{.Driver}} {{.Scope}}").splitlines()[0]
        for engine in (both.docker, both.sampan)
    ]
    assert columns[0] == columns[1] == f"{both.name} local"
    for engine in (both.docker, both.sampan):
        engine.run("volume", "rm", f"{both.name}-{engine is both.docker}")
