"""Tests that commands on images may be killed at any moment, alone, with their workers, and several at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import eventually, image_tar, python, settings_at
from tests.core.engine.workbench import archive, content, push
from tests.services.registry import RegistryServer

from sampan.config import Settings
from sampan.engine.engine import Engine

_COMMAND = """
import io, sys, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.errors import SampanError
from sampan.model.container import ContainerSpec
engine = Engine(msgspec.json.decode(sys.argv[1], type=Settings))
verb, name, source = sys.argv[2:]
print("go", flush=True)
try:
    if verb == "pull":
        engine.pull(name)
    elif verb == "rmi":
        engine.remove_image(name, force=True)
    elif verb == "import":
        with open(source, "rb") as file:
            engine.import_image(file, "imported:1")
    elif verb == "unpack":
        from sampan.engine import unpack
        unpack.ensure_unpacked(engine, engine.image(name), "vfs")
    elif verb == "run":
        spec = ContainerSpec(image="imported:1", command=("true",), network="none", auto_remove=True)
        engine.start(engine.create(spec).id, attach=True).receive()
    elif verb == "check":
        for _ in engine.check(repair=True, unpacked=True):
            pass
except SampanError as error:
    print(error, flush=True)
    sys.exit(1)
"""
_VERBS = ("pull", "rmi", "import", "unpack", "run", "check")
"""Further verbs join here, in the program above and in ``_NEEDS``."""
_NEEDS = {"rmi": "image", "unpack": "image", "check": "image", "run": "imported"}
_LONGEST = {"pull": 0.25, "import": 0.2, "unpack": 0.15, "check": 0.25}


class Killing:
    """A store, an image in a registry, and commands on them that are killed."""

    def __init__(self, settings: Settings, image: str, source: Path) -> None:
        self.settings = settings
        self.image = image
        self.source = source

    def begin(self, verb: str) -> subprocess.Popen[bytes]:
        """Begin a command in a process group of its own, and wait until its imports are done."""
        settings = msgspec.json.encode(self.settings).decode()
        # Unbuffered, or what came together with the first line would be out of communicate's sight.
        command = python(_COMMAND, settings, verb, self.image, str(self.source), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, process_group=0, bufsize=0)
        assert command.stdout is not None and command.stdout.readline() == b"go\n"
        return command

    def prepare(self, verb: str) -> None:
        """See to it that the verb has something to work on, and nothing of its result is there."""
        with Engine(self.settings) as engine:
            if _NEEDS.get(verb) == "image":
                engine.pull(self.image)
            elif _NEEDS.get(verb) == "imported":
                with self.source.open("rb") as file:
                    engine.import_image(file, "imported:1")
            else:
                self.empty(engine)

    def empty(self, engine: Engine) -> None:
        for container in engine.containers(all=True):
            engine.remove(container.id, force=True)
        for image in engine.images():
            engine.remove_image(image.id, force=True)

    def check(self) -> None:
        """The store must be sound after the next command's sweep, and empty once all images are removed."""
        with Engine(self.settings) as engine:
            eventually(lambda: not any(one.monitor for one in engine.containers(all=True)))
            found = list(engine.check(unpacked=True))
            assert found == []

    def check_empty(self) -> None:
        with Engine(self.settings) as engine:
            self.empty(engine)
            assert {kind: rows for kind, rows in content(engine).items() if rows} == {}
            kept = Path(engine.layout.storage(""))  # beneath what the drivers tell of
            assert [*kept.glob("*/layers/*"), *kept.glob("*/trash/*")] == []


@pytest.fixture
def killing(tmp_path: Path, registry: RegistryServer, request: pytest.FixtureRequest) -> Iterator[Killing]:
    layers = [
        archive({f"d{number}": None, **{f"d{number}/{file}": os.urandom(20000) for file in range(60)}})
        for number in range(4)
    ]
    name = f"killing/{request.node.name.partition('[')[0]}-{os.urandom(4).hex()}:1"
    push(registry, name, layers)
    source = tmp_path / "rootfs.tar"
    source.write_bytes(image_tar())
    yield Killing(settings_at(tmp_path), f"{registry.address}/{name}", source)


def _kill(command: subprocess.Popen[bytes], *, group: bool) -> None:
    if group:
        os.killpg(command.pid, signal.SIGKILL)
    else:
        command.kill()
    command.wait()
    assert command.stdout is not None
    command.stdout.close()


@pytest.mark.parametrize("verb", _VERBS)
def test_a_command_killed_at_any_moment(killing: Killing, verb: str) -> None:
    moments = random.Random(verb)
    for turn in range(6):
        killing.prepare(verb)
        command = killing.begin(verb)
        time.sleep(moments.random() * _LONGEST.get(verb, 0.08))
        _kill(command, group=turn % 2 == 0)
        killing.check()
        killing.check_empty()


def test_several_commands_killed_at_once(killing: Killing) -> None:
    moments = random.Random(3)
    for _ in range(8):
        verbs = moments.choices(("pull", "pull", "rmi", "import", "unpack", "check"), k=3)
        commands = [killing.begin(verb) for verb in verbs]
        time.sleep(moments.random() * 0.3)
        for command in commands:
            _kill(command, group=moments.random() < 0.5)
        killing.check()
    killing.check_empty()


def test_a_killed_worker_is_an_error_of_its_command_alone(killing: Killing) -> None:
    killing.prepare("pull")
    command = killing.begin("pull")
    workers: list[int] = []
    while command.poll() is None and not workers:
        workers = [int(pid) for pid in Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()]
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    output, _ = command.communicate(timeout=20)
    assert command.returncode == 0 or b"a worker that unpacks layers was killed" in output
    killing.check()
    killing.check_empty()


def test_many_pull_while_others_remove(killing: Killing) -> None:
    allowed = (b"No such image", b"conflict")
    for _ in range(3):
        commands = [killing.begin(verb) for verb in ("pull", "rmi") * 6]
        for command in commands:
            output, _ = command.communicate(timeout=60)
            assert command.returncode == 0 or any(words in output for words in allowed), output
        killing.check()
    killing.check_empty()


def test_checking_does_not_disturb_or_misjudge_what_goes_on(killing: Killing) -> None:
    with Engine(killing.settings) as engine:
        for _ in range(3):
            commands = [killing.begin(verb) for verb in ("pull", "rmi", "import", "pull")]
            while any(command.poll() is None for command in commands):
                assert list(engine.check(repair=True)) == []
            for command in commands:
                output, _ = command.communicate()
                assert command.returncode == 0 or b"No such image" in output, output
    killing.check_empty()
