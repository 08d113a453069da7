"""Tests that commands on images may be killed at any moment, alone, with their workers, and several at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import eventually, image_tar, python, settings_at
from tests.core.engine.workbench import archive, content, engine_at, push
from tests.services.registry import RegistryServer

from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.errors import NotFound
from sampan.model.container import ContainerSpec

_COMMAND = """
import sys, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.errors import SampanError
from sampan.model.container import ContainerSpec
engine = Engine(msgspec.json.decode(sys.argv[1], type=Settings))
verb, name, files = sys.argv[2:]
print("go", flush=True)
try:
    if verb == "pull":
        engine.pull(name)
    elif verb == "rmi":
        engine.remove_image(name, force=True)
    elif verb == "import":
        with open(f"{files}/rootfs.tar", "rb") as file:
            engine.import_image(file, "imported:1")
    elif verb == "load":
        engine.load(f"{files}/image.tar")
    elif verb == "save":
        from sampan_plugins.commands import _output
        with _output.opened(f"{files}/saved.tar", "save image") as out:
            engine.save([name], out)
    elif verb == "commit":
        engine.commit("victim", "committed:1")
    elif verb == "tag":
        for number in range(100):
            engine.tag(name, f"tagged:{number}")
    elif verb == "push":
        engine.push(engine.images()[0].tags[0])
    elif verb == "unpack":
        from sampan.engine import unpack
        unpack.ensure_unpacked(engine, engine.image(name), "vfs")
    elif verb == "run":
        spec = ContainerSpec(image="imported:1", command=("true",), network="none", auto_remove=True)
        with engine.start(engine.create(spec).id, attach=True) as attachment:
            attachment.receive()
    elif verb == "check":
        for _ in engine.check(repair=True, unpacked=True):
            pass
    if verb in ("container prune", "system prune"):
        engine.prune_containers()
    if verb in ("image prune", "system prune"):
        engine.prune_images(all=True)
except SampanError as error:
    print(error, flush=True)
    sys.exit(1)
"""
_NEEDS = {
    "pull": (), "import": (), "load": (), "rmi": ("image",), "save": ("image",), "tag": ("image",),
    "unpack": ("image",), "check": ("image",), "commit": ("container",), "push": ("pushable",), "run": ("imported",),
    "image prune": ("image", "imported"), "container prune": ("container",), "system prune": ("image", "container"),
}
"""What each verb of the program above wants to be there."""


class Killing:
    """A store, an image in a registry, and commands on them that are killed."""

    def __init__(self, settings: Settings, image: str, files: Path) -> None:
        self.settings = settings
        self.image = image
        self.files = files

    def begin(self, verb: str) -> subprocess.Popen[bytes]:
        """Begin a command in a process group of its own, and wait until its imports are done."""
        settings = msgspec.json.encode(self.settings).decode()
        # Unbuffered, or what came together with the first line would be out of communicate's sight.
        command = python(_COMMAND, settings, verb, self.image, str(self.files), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, process_group=0, bufsize=0)
        assert command.stdout is not None and command.stdout.readline() == b"go\n"
        return command

    def seconds(self, verb: str) -> float:
        """Return how long a command takes that nobody kills."""
        self.prepare(verb)
        command, began = self.begin(verb), time.monotonic()
        output, _ = command.communicate(timeout=60)
        assert (command.returncode, output) == (0, b"")
        return time.monotonic() - began

    def prepare(self, verb: str) -> None:
        """See to it that the verb has something to work on, and nothing of its result is there."""
        (self.files / "saved.tar").write_bytes(b"former")
        with Engine(self.settings) as engine:
            self.empty(engine)
            for need in _NEEDS[verb]:
                if need == "image":
                    engine.pull(self.image)
                elif need == "pushable":  # to where none of it has been before
                    self._import(engine, f"{self.image.removesuffix(':1')}-{os.urandom(4).hex()}:1")
                else:
                    self._import(engine, "imported:1")
                if need == "container":
                    for name in ("one", "two", "victim"):
                        engine.create(ContainerSpec(image="imported:1", command=("true",), name=name, network="none"))
                    engine.copy_in("victim", "/tmp", str(self.files / "rootfs.tar"))

    def _import(self, engine: Engine, name: str) -> None:
        with (self.files / "rootfs.tar").open("rb") as file:
            engine.import_image(file, name)

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

    def check_result(self, verb: str) -> None:
        """What a command makes outside the store must be whole, or as it was before."""
        with Engine(self.settings) as engine:
            if verb == "save" and (self.files / "saved.tar").read_bytes() != b"former":
                self.empty(engine)
                engine.load(str(self.files / "saved.tar"))
            elif verb == "push":
                (image,) = engine.images()
                engine.remove_image(image.id)
                with suppress(NotFound):
                    engine.pull(image.tags[0])

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
    image, files = f"{registry.address}/{name}", tmp_path / "files"
    files.mkdir()
    (files / "rootfs.tar").write_bytes(image_tar())
    with engine_at(tmp_path / "other") as engine, (files / "image.tar").open("wb") as out:
        engine.pull(image)
        engine.save([image], out)
    yield Killing(settings_at(tmp_path), image, files)


def _kill(command: subprocess.Popen[bytes], *, group: bool) -> None:
    if group:
        os.killpg(command.pid, signal.SIGKILL)
    else:
        command.kill()
    command.wait()
    assert command.stdout is not None
    command.stdout.close()


@pytest.mark.parametrize("verb", _NEEDS)
def test_a_command_killed_at_any_moment(killing: Killing, verb: str) -> None:
    moments, longest = random.Random(verb), killing.seconds(verb)
    for turn in range(6):
        killing.prepare(verb)
        command = killing.begin(verb)
        time.sleep(moments.random() * longest)
        _kill(command, group=turn % 2 == 0)
        killing.check()
        killing.check_result(verb)
        killing.check_empty()


def test_several_commands_killed_at_once(killing: Killing) -> None:
    moments = random.Random(3)
    killing.prepare("pull")
    for _ in range(8):
        verbs = moments.choices(("pull", "pull", "load", "rmi", "image prune", "import", "unpack", "check"), k=3)
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
