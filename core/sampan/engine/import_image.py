"""Make an image of one layer from a snapshot of a root file system, in one pass over it."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from sampan.contracts.format import RootfsFormat
from sampan.engine import changes as instructions
from sampan.engine import events, formats, new_image, platforms, undo
from sampan.engine.intake import Intake, Taken
from sampan.engine.new_image import NewImage
from sampan.engine.progress import Report
from sampan.engine.timestamps import written
from sampan.errors import Corrupt, InvalidInput
from sampan.model.digest import Digest
from sampan.model.image import Defaults, Image
from sampan.model.platform import Platform

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_HEAD = 1024
_CHUNK = 1 << 20


def import_image(
    engine: Engine,
    source: BinaryIO | str,
    text: str,
    *,
    message: str,
    changes: tuple[str, ...],
    platform: str,
    report: Report,
) -> Image:
    """Make an image from what ``source`` holds, in whichever snapshot format recognizes it; a path is a directory's.

    ``text`` names it, empty: it stays without a name. ``message`` is its comment, ``changes`` are Dockerfile
    instructions, ``platform`` empty means this machine's. Raises InvalidInput, Corrupt when the content makes no
    sense, OutOfSpace; then nothing stays.
    """
    reference = new_image.name(text, "cannot import digest reference")
    defaults = instructions.apply(Defaults(), changes)
    wanted = platforms.wanted(platform)
    if wanted.os != "linux":
        raise InvalidInput("operating system is not supported")
    with engine.store.journal.operation("import", lambda action: undo.undo(engine, action)) as operation:
        intake = Intake(engine, operation, engine.storage_name(), None, "Importing", report)
        taken = _take_tree(intake, source) if isinstance(source, str) else _take(engine, intake, source)
        created = time.time()
        config = _configuration(taken.diff_id, defaults, wanted, message or "Imported from -", written(created))
        made = NewImage(config, [taken.blob], [taken.chain], taken.size, created)
        image = new_image.record(engine, operation, made, reference)
    events.image(engine, "import", image.id)
    engine.plugins.image_imported(str(reference or ""), image.id)
    return image


def _take_tree(intake: Intake, path: str) -> Taken:
    from sampan.layers import writer

    return intake.make(lambda out: writer.write_tree(path, out))


def _take(engine: Engine, intake: Intake, source: BinaryIO) -> Taken:
    head = source.read(_HEAD)
    archive = _recognized(engine, head)
    with archive.read(io.BufferedReader(_Whole(head, source), _CHUNK)) as layer:
        return intake.take(layer)


def _recognized(engine: Engine, head: bytes) -> RootfsFormat:
    for archive in formats.every(engine, engine.settings.rootfs_format):
        if isinstance(archive, RootfsFormat) and archive.recognizes(head):
            return archive
    raise Corrupt("the input is in no format that can be imported", "tar archives can, compressed or not")


class _Whole(io.RawIOBase):
    """A stream whose beginning has been read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is 3.12's
        """Read the beginning first."""
        content = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)


def _configuration(
    diff_id: Digest, defaults: Defaults, platform: Platform, comment: str, created: str
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "comment": comment,
        "config": defaults,
        "created": created,
        "history": [{"created": created, "comment": comment}],
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    if platform.variant:
        document["variant"] = platform.variant
    return document
