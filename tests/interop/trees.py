"""Tell everything of a root file system, wherever it comes from, so that two can be compared file by file."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.docker import Docker
from tests.services.images import umoci
from tests.services.podman import Podman

from sampan import naive
from sampan.engine import unpack
from sampan.engine.engine import Engine
from sampan.model.mount import Mount

CREATED = 1_500_000_000
"""Seconds since the epoch: times after it are those of the extraction, for no archive here has any such."""


@dataclass(frozen=True)
class Node:
    """A file of any type. ``links`` are all its names; ``mtime`` is in ns, None where the archive had none."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime: int | None
    size: int
    content: bytes | str
    device: tuple[int, int]
    xattrs: dict[str, bytes]
    links: tuple[bytes, ...]
    blocks: int = field(compare=False)  # what holes are filled with is the archive's, Docker has none


Tree = dict[bytes, Node]


def tree_of(top: str) -> Tree:
    """Return everything below the directory ``top``, and itself as ``.``, by path."""
    statuses: dict[bytes, os.stat_result] = {}
    names: dict[int, list[bytes]] = {}
    for path, directories, files in os.walk(os.fsencode(top)):
        for name in [b".", *directories, *files] if path == os.fsencode(top) else [*directories, *files]:
            full = os.path.join(path, name)
            relative = os.path.relpath(full, os.fsencode(top))
            try:
                statuses[relative] = os.lstat(full)
            except FileNotFoundError:
                continue  # overlayfs shows names of deletions in directories that are in no lower layer
            names.setdefault(statuses[relative].st_ino, []).append(relative)
    return {path: _node(os.path.join(os.fsencode(top), path), status, names[status.st_ino])
            for path, status in sorted(statuses.items())}


def _node(path: bytes, status: os.stat_result, names: list[bytes]) -> Node:
    content: bytes | str = b""
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    return Node(
        kind=stat.filemode(status.st_mode)[0], mode=stat.S_IMODE(status.st_mode), owner=(status.st_uid, status.st_gid),
        mtime=status.st_mtime_ns if status.st_mtime < CREATED else None,
        size=0 if stat.S_ISDIR(status.st_mode) else status.st_size, content=content,
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)), xattrs=_xattrs(path),
        links=() if stat.S_ISDIR(status.st_mode) else tuple(sorted(names)),
        blocks=status.st_blocks if stat.S_ISREG(status.st_mode) else 0,
    )  # fmt: skip


def _xattrs(path: bytes) -> dict[str, bytes]:
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}


def below(top: str) -> Tree:
    """Return what is in a root file system, whose own mode and time each engine makes up."""
    found = tree_of(top)
    del found[b"."]
    return found


def podman_tree(podman: Podman, image: str) -> Tree:
    """Return what is in an image of Podman's."""
    try:
        return below(podman.run("image", "mount", image))
    finally:
        podman.run("image", "unmount", image)


def umoci_tree(image: str, bundle: Path) -> Tree:
    """Return what umoci unpacks of an image in a layout, into a directory that it makes."""
    umoci("unpack", "--image", image, bundle)
    return below(str(bundle / "rootfs"))


@contextmanager
def sampan_root(engine: Engine, image: str) -> Iterator[str]:
    """Mount the root file system of an image of Sampan's."""
    driver = engine.storage()
    chain = unpack.ensure_unpacked(engine, engine.image(image), engine.storage_name())
    assert chain is not None
    with naive.mounted(driver.mounts(chain)) as top:
        yield top


@contextmanager
def docker_root(docker: Docker, image: str) -> Iterator[str]:
    """Mount the root file system of an image of Docker's, as Docker does for a container, which would add to it."""
    with stacked(docker.layers(image)) as top:
        yield top


@contextmanager
def stacked(layers: Sequence[str]) -> Iterator[str]:
    """Mount an overlay of directories, topmost first, and of an empty one, for there must be two."""
    with tempfile.TemporaryDirectory() as empty:
        options = ("ro", f"lowerdir={':'.join([*layers, empty])}")
        with naive.mounted([Mount("overlay", "overlay", options)]) as top:
            yield top
