"""A full disk costs one line and nothing else: what was there is there, and works again once there is room."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.sampan import Sampan
from tests.services.images import make_image, push_image
from tests.services.registry import RegistryServer

from sampan.config import load
from sampan.engine import Engine

KB = 1 << 10
MB = 1 << 20


class Disk:
    """A small ext4 of its own, with a store on it."""

    def __init__(self, directory: Path, sampan: Sampan) -> None:
        self.directory = directory
        self.sampan = sampan
        self._filler = directory / "filler"

    def leave(self, free: int) -> None:
        """Fill it, but for so many bytes."""
        self.empty()
        os.sync()
        with open(self._filler, "wb", buffering=0) as file:
            size = os.statvfs(self.directory).f_bavail * os.statvfs(self.directory).f_frsize - free
            try:
                os.posix_fallocate(file.fileno(), 0, max(size, 1))
            except OSError:
                pass  # its own records took more than was thought
            for piece in (64 * KB, KB):
                try:
                    while not free:
                        file.write(bytes(piece))
                except OSError:
                    pass

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def holds(self) -> dict[str, list[object]]:
        """Everything of the store, but for what comes and goes by itself."""
        with Engine(load(environ=self.sampan.environ)) as engine:
            engine.storage()  # what it needs for itself
            database = engine.store.database
            found: dict[str, list[object]] = {
                table: list(database.all(f"SELECT * FROM {table}"))
                for table in ("images", "tags", "layers", "containers", "journal", "leases")
            }
        # The database's log comes and goes, the locks are empty files, and the reserve is taken when it is needed.
        passing = {"sampan.db", "sampan.db-wal", "sampan.db-shm", "reserve", "lock", "probed"}
        found["files"] = sorted(
            os.path.join(path, name).removeprefix(f"{self.sampan.root}")
            for path, directories, names in os.walk(self.sampan.root)
            for name in [*names, *directories]
            if name not in passing and not path.endswith("/work/work")  # which overlayfs has for itself
        )
        return found


@pytest.fixture(params=[1024, 4096], ids=["blocks of 1 KiB", "blocks of 4 KiB"])
def disk(request: pytest.FixtureRequest, empty: Sampan, tmp_path: Path) -> Iterator[Disk]:
    """A disk with the image ``keep:1`` in a store on it."""
    image, directory = tmp_path / "disk", empty.root
    directory.mkdir()
    with image.open("wb") as file:
        file.truncate(20 * MB)
    subprocess.run(["mkfs.ext4", "-qF", "-m0", "-b", str(request.param), "-N", "4096", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, directory], check=True)
    empty.root = directory / "store"
    empty.environ["SAMPAN_ROOT"] = str(empty.root)
    try:
        empty.run("import", archive(tmp_path, "small", 1), "keep:1")
        disk = Disk(directory, empty)
        yield disk
        disk.empty()
        empty.clear()
    finally:
        subprocess.run(["umount", directory], check=True)
        directory.rmdir()


def archive(directory: Path, name: str, size: int) -> Path:
    """A root file system with so many bytes in one file, and in many small ones."""
    tree = directory / name
    for number in range(20):
        (tree / f"d{number}").mkdir(parents=True)
        for index in range(5):
            (tree / f"d{number}" / f"f{index}").write_bytes(b"x")
    (tree / "large").write_bytes(os.urandom(size))
    path = directory / f"{name}.tar"
    subprocess.run(["tar", "-C", tree, "-cf", path, "."], check=True)
    return path


@pytest.mark.parametrize("free", [0, 40 * KB, 1 * MB, 5 * MB])
def test_import(disk: Disk, tmp_path: Path, free: int) -> None:
    sampan, large = disk.sampan, archive(tmp_path, "large", 4 * MB)
    before = disk.holds()
    disk.leave(free)
    line = sampan.fails("import", large, "large:1")
    assert line.startswith("no space left")
    assert line.endswith("(free some space and try again)")
    disk.empty()
    assert disk.holds() == before
    sampan.run("import", large, "large:1")
    assert len(sampan.run("images", "-q").splitlines()) == 2


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_pull(disk: Disk, tmp_path: Path, registry: RegistryServer, driver: str) -> None:
    layers = [{"a": os.urandom(2 * MB), "b": b"x"}, {"c": os.urandom(2 * MB), "d": b"x"}]
    image = push_image(make_image(tmp_path / "made", layers), registry, f"full/{driver}-{os.urandom(4).hex()}:1")
    disk.sampan.config.write_text(f'storage = ["{driver}"]\n{disk.sampan.config.read_text()}')
    before = disk.holds()
    for free in (300 * KB, 3 * MB, 7 * MB):
        disk.leave(free)
        line = disk.sampan.fails("pull", "-q", image)
        assert line.startswith("no space left")
        disk.empty()
        assert disk.holds() == before, free
    disk.sampan.run("pull", "-q", image)


def test_what_there_is_can_be_seen_and_removed(disk: Disk) -> None:
    disk.leave(20 * KB)  # the reserve is still there
    assert disk.sampan.run("images", "-q")
    disk.empty()
    disk.sampan.run("images")  # and comes back
    disk.leave(20 * KB)
    disk.sampan.run("rmi", "keep:1")
    disk.empty()
    assert disk.holds()["images"] == []


def test_create(disk: Disk) -> None:
    before = disk.holds()
    (disk.sampan.root / "reserve").unlink()
    disk.leave(0)
    assert disk.sampan.fails("create", "keep:1", "sh", code=1).startswith("no space left")
    disk.empty()
    assert disk.holds() == before


def test_load(disk: Disk, tmp_path: Path) -> None:
    sampan, saved, packed = disk.sampan, tmp_path / "saved.tar", tmp_path / "saved.tar.gz"
    sampan.run("import", archive(tmp_path, "large", 4 * MB), "large:1")
    sampan.run("save", "-o", saved, "large:1")
    sampan.run("rmi", "large:1")
    packed.write_bytes(gzip.compress(saved.read_bytes(), 1))
    before = disk.holds()
    for free, source in ((0, saved), (40 * KB, packed), (1 * MB, saved), (1 * MB, packed), (5 * MB, saved)):
        disk.leave(free)
        line = sampan.fails("load", "-i", source)
        assert line.startswith("no space left"), line
        disk.empty()
        assert disk.holds() == before, free
    assert sampan.run("system", "check") == "The store is sound"
    assert sampan.run("load", "-i", packed) == "Loaded image: large:1"


def test_commit(disk: Disk, tmp_path: Path) -> None:
    sampan, large = disk.sampan, tmp_path / "large"
    large.write_bytes(os.urandom(4 * MB))
    sampan.run("create", "--name", "c1", "keep:1", "sh")
    sampan.run("cp", large, "c1:/")
    before = disk.holds()
    for free in (0, 40 * KB, 1 * MB, 5 * MB):
        disk.leave(free)
        line = sampan.fails("commit", "c1", "large:1")
        assert line.startswith("no space left"), line
        disk.empty()
        assert disk.holds() == before, free
    assert sampan.run("system", "check") == "The store is sound"
    sampan.run("commit", "c1", "large:1")


def test_save(disk: Disk, tmp_path: Path) -> None:
    """To a file beside the store, and to one where another file is."""
    sampan, former = disk.sampan, disk.directory / "former.tar"
    sampan.run("import", archive(tmp_path, "large", 2 * MB), "large:1")
    former.write_bytes(b"former")
    before, beside = disk.holds(), sorted(os.listdir(disk.directory))
    for free, name in ((0, "former.tar"), (40 * KB, "former.tar"), (40 * KB, "new.tar"), (1 * MB, "former.tar")):
        disk.leave(free)
        line = sampan.fails("save", "-o", disk.directory / name, "large:1")
        assert line.startswith("no space left"), line
        disk.empty()
        assert sorted(os.listdir(disk.directory)) == beside
        assert former.read_bytes() == b"former"
        assert disk.holds() == before, free
    assert sampan.run("system", "check") == "The store is sound"
    sampan.run("save", "-o", former, "large:1")
    assert former.stat().st_size > 2 * MB
