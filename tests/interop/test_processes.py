"""What runs, as whom, where and in which environment: the same flags and images, given to Docker and to Sampan."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.engine.containers import image_tar
from tests.integration.sampan import Sampan
from tests.services.docker import Docker

_FULL = (
    'ENTRYPOINT ["sh", "-c", "echo $0 $@; id; pwd; env", "begun"]', 'CMD ["one", "two words"]', "ENV A=image B=image",
    "USER alice", "WORKDIR /home/alice",
)
_IMAGES: dict[str, tuple[str, ...]] = {
    "bare": (), "full": _FULL, "cmd": ('CMD ["id"]',), "shell": ("CMD id; pwd",),
    "home": ("ENV HOME=/elsewhere", "CMD env"),
    "path": ("ENV PATH=/bin:/none", "CMD env"), "ids": ("USER 4321:1234", "CMD id; env"),
    "cwd": ("WORKDIR /new/dir", "CMD pwd"),
    "noone": ("USER nobody-here", "CMD id"), "term": ("ENV TERM=image HOSTNAME=image", "CMD env"),
}  # fmt: skip
_SEEN = ("sh", "-c", "id; pwd; env")
_CASES: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    ((), "bare", ()), ((), "bare", ("",)), ((), "bare", _SEEN), ((), "bare", ("id",)), ((), "bare", ("nosuch",)),
    ((), "bare", ("/etc/plain",)), ((), "bare", ("/etc",)), ((), "bare", ("./bin/id",)), ((), "full", ()),
    ((), "full", ("other",)), (("--entrypoint", ""), "full", ()), (("--entrypoint", ""), "full", ("id",)),
    (("--entrypoint", "id"), "full", ()), (("--entrypoint", "echo"), "full", ("x",)),
    (("--entrypoint", "env"), "bare", ()),
    ((), "cmd", ()), ((), "cmd", ("pwd",)), ((), "shell", ()), ((), "home", ()), ((), "path", ()), ((), "ids", ()),
    ((), "cwd", ()), ((), "noone", ()), ((), "term", ()), (("-w", "/tmp/made"), "bare", ("pwd",)),
    (("-w", "/etc/plain"), "bare", ("pwd",)), (("-w", "rel"), "bare", ("pwd",)), (("-u", "alice"), "bare", _SEEN),
    (("-u", "1000"), "bare", _SEEN), (("-u", "alice:users"), "bare", _SEEN), (("-u", "alice:wheel"), "bare", _SEEN),
    (("-u", "7777"), "bare", _SEEN), (("-u", "7777:8888"), "bare", _SEEN), (("-u", ":wheel"), "bare", _SEEN),
    (("-u", "0:10"), "full", ()), (("-u", "alice:nosuch"), "bare", _SEEN), (("-u", "2147483648"), "bare", _SEEN),
    (("-u", "-1"), "bare", _SEEN), (("-u", "1000", "--group-add", "wheel", "--group-add", "99"), "bare", _SEEN),
    (("-e", "A=flag", "-e", "B="), "full", ()), (("-e", "A"), "full", ()), (("-e", "CALLERS"), "bare", ("env",)),
    (("-e", "HOME=/x", "-e", "PATH=/bin", "-e", "TERM=x", "-e", "HOSTNAME=x"), "bare", ("env",)),
    (("-e", "A=1", "-e", "A=2"), "bare", ("env",)), (("-e", "A=b=c", "-e", "_=x y"), "bare", ("env",)),
    (("--env-file", "FILE"), "full", ()), (("--env-file", "FILE", "-e", "A=flag"), "full", ()),
)  # fmt: skip


class _Both:
    def __init__(self, docker: Docker, sampan: Sampan) -> None:
        self.docker = docker
        self.sampan = sampan
        self.file = sampan.directory / "env"
        self.file.write_text("A=file\nCALLERS\nNOT_SET\nB=file with spaces \n# none\n")

    def told(self, flags: tuple[str, ...], image: str, command: tuple[str, ...]) -> tuple[tuple[int, list[str]], ...]:
        """Return what each engine's container told: exit code, and lines in order of the alphabet."""
        given = [str(self.file) if flag == "FILE" else flag for flag in flags]
        words = ("run", "--rm", "--net=none", "--hostname=box", *given, f"processes:{image}", *command)
        results = (self.docker.result(*words), self.sampan.result(*words))
        return tuple((result.returncode, sorted(result.stdout.decode().splitlines())) for result in results)


@pytest.fixture(scope="module")
def both(docker: Docker) -> Iterator[_Both]:
    directory = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))
    sampan = Sampan(directory)
    sampan.environ["CALLERS"] = os.environ["CALLERS"] = "the caller's"
    archive = directory / "image.tar"
    archive.write_bytes(image_tar())
    try:
        for name, changes in _IMAGES.items():
            flags = [word for change in changes for word in ("-c", change)]
            docker.run("import", *flags, archive, f"processes:{name}")
            sampan.run("import", *flags, archive, f"processes:{name}")
        yield _Both(docker, sampan)
        sampan.clear()
    finally:
        del os.environ["CALLERS"]
        docker.result("rmi", *(f"processes:{name}" for name in _IMAGES))
        sampan.destroy()
        shutil.rmtree(directory)


@pytest.mark.parametrize(("flags", "image", "command"), _CASES)
def test_the_same_process(both: _Both, flags: tuple[str, ...], image: str, command: tuple[str, ...]) -> None:
    theirs, ours = both.told(flags, image, command)
    assert ours == theirs
