"""Write and read a root file system as a squashfs image, with the programs of squashfs-tools.

The image is only known to be whole, and its places to be found, when all of it is there: it passes through a temporary
file, and so does the tree that is read from it. The kernel is not asked to mount it, since nobody knows who made it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from sampan import hookimpl
from sampan.contracts.format import RootfsFormat
from sampan.errors import Corrupt, OutOfSpace, SampanError, Unsupported
from sampan.layers.writer import write_tree


class Squashfs(RootfsFormat):
    """One file that the kernel can mount as it is: ``mount -t squashfs -o loop FILE DIRECTORY``."""

    def recognizes(self, head: bytes) -> bool:
        return head.startswith(b"hsqs")

    def write(self, rootfs: str, out: BinaryIO) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            image = f"{scratch}/image"
            options = ["-comp", "zstd", "-mkfs-time", "0", "-no-progress", "-quiet"]
            _run("mksquashfs", [rootfs, image, *options], OutOfSpace)
            with open(image, "rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)

    def read(self, source: BinaryIO) -> AbstractContextManager[BinaryIO]:
        return _as_tar(source)


@contextmanager
def _as_tar(source: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as tar:
        image, tree = f"{scratch}/image", f"{scratch}/tree"
        with open(image, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        _run("unsquashfs", ["-no-progress", "-quiet", "-dest", tree, image], Corrupt)
        os.unlink(image)
        write_tree(tree, tar)
        tar.seek(0)
        yield tar


def _run(program: str, arguments: Sequence[str], kind: type[SampanError]) -> None:
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise kind(f"{program} failed: {said[-1] if said else done.returncode}")


@hookimpl
def sampan_open_format() -> RootfsFormat:
    """Open the format, where its programs are installed."""
    for program in ("mksquashfs", "unsquashfs"):
        if shutil.which(program) is None:
            raise Unsupported(f"there is no program {program}", "install squashfs-tools")
    return Squashfs()
