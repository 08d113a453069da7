"""Bring in the images of an archive, in whichever format it is: all of them, or none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from sampan.contracts.format import ImageFormat
from sampan.engine import events, formats, platforms, undo
from sampan.engine.arrival import Arrival
from sampan.engine.progress import Report
from sampan.engine.resolve import resolve
from sampan.errors import Corrupt, InvalidInput
from sampan.model import reference as references
from sampan.model.digest import Digest
from sampan.model.image import Image
from sampan.model.reference import Reference

if TYPE_CHECKING:
    import sqlite3

    from sampan.contracts.format import Archived, ImageArchive
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation

_CHUNK = 1 << 20
_MAGIC = 6


class Loaded(msgspec.Struct, frozen=True):
    """An image that came out of an archive with these names; ``displaced``: what they named before, if another."""

    image: Image
    names: tuple[Reference, ...]
    displaced: dict[Reference, Digest]


def load(engine: Engine, source: BinaryIO | str, *, form: str, platform: str, report: Report) -> list[Loaded]:
    """Bring in every image of an archive; return them in its order.

    ``source`` is the path of a file or directory, or a stream; a file may be compressed. ``form`` names the format,
    empty: whichever recognizes it. Where the archive has an image for several platforms, the one for ``platform``
    comes, empty: this machine's. On any failure nothing new stays. Raises NotFound, Corrupt, Unsupported, OutOfSpace,
    and InvalidInput for an archive of no known format.
    """
    with (
        _laid_out(engine, source) as path,
        _format(engine, path, form).open(path) as archive,
        engine.store.journal.operation("load", lambda action: undo.undo(engine, action)) as operation,
    ):
        comers = [_Comer(engine, archive, one, operation, platform, report) for one in _images(archive)]
        with engine.store.database.transaction() as cursor:
            displaced = [comer.record(cursor) for comer in comers]
            operation.finish(cursor)
    loaded = [
        Loaded(engine.store.images.get(comer.id), comer.names, before)
        for comer, before in zip(comers, displaced, strict=True)
    ]
    for one in loaded:
        events.image(engine, "load", one.image.id)
        for name in one.names or ("",):
            engine.plugins.image_loaded(str(name), one.image.id)
    return loaded


class _Comer:
    """One image of the archive, brought here; not yet on record."""

    def __init__(
        self,
        engine: Engine,
        archive: ImageArchive,
        archived: Archived,
        operation: Operation,
        platform: str,
        report: Report,
    ) -> None:
        self._engine = engine
        self.names = tuple(dict.fromkeys(filter(None, map(_name, archived.names))))
        called = self.names[0].familiar if self.names else archived.version
        wanted = platforms.wanted(platform)
        resolved = resolve(archive, archived.version, wanted, called)
        self._arrival = Arrival(engine, archive, called, operation, report)
        self._arrived = self._arrival.bring(resolved, wanted, asked=bool(platform))
        self.id = self._arrived.image.id

    def record(self, cursor: sqlite3.Cursor) -> dict[Reference, Digest]:
        """Put it on record under its names; return which image each of them named before, if another."""
        self._arrival.record(cursor, self._arrived)
        images, displaced = self._engine.store.images, {}
        for name in self.names:
            before = images.tag(cursor, name, self.id, self._arrived.image.manifest)
            if before is not None:
                displaced[name] = before
        return displaced


def _images(archive: ImageArchive) -> Sequence[Archived]:
    images = archive.images()
    if not images:
        raise Corrupt("the archive holds no image")
    return images


def _name(text: str) -> Reference | None:
    """Return a name that an archive has; None for one that nobody can give, a digest."""
    try:
        reference = references.parse(text).with_default_tag()
    except InvalidInput as error:
        raise Corrupt(f"the archive gives an image the name {text!r}, which is none: {error.message}") from error
    return None if reference.digest else reference


def _format(engine: Engine, path: str, name: str) -> ImageFormat:
    if name:
        return formats.images(engine, name)
    for form in formats.every(engine, engine.settings.image_format):
        if isinstance(form, ImageFormat) and form.holds(path):
            return form
    raise InvalidInput("the input is in no image format", "sampan plugin ls shows them; import reads file systems")


@contextmanager
def _laid_out(engine: Engine, source: BinaryIO | str) -> Iterator[str]:
    """Have the archive as a directory or an uncompressed regular file, whose path is yielded."""
    if not isinstance(source, str):
        with _as_file(engine, source) as path:
            yield path
        return
    try:
        file = open(source, "rb", opener=_open)  # noqa: SIM115  # closed just below
    except IsADirectoryError:
        yield source
        return
    except OSError as error:
        raise InvalidInput(f"open {source}: {(error.strerror or '').lower()}") from error
    with file, _as_file(engine, file) as path:
        yield path


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOCTTY)


@contextmanager
def _as_file(engine: Engine, source: BinaryIO) -> Iterator[str]:
    from sampan.layers import compression

    if _is_regular(source) and compression.detect(os.pread(source.fileno(), _MAGIC, 0)) is None:
        yield f"/proc/self/fd/{source.fileno()}"
        return
    with engine.store.blobs.unnamed() as copy:
        stream = compression.open_stream(source)
        while piece := stream.read1(_CHUNK):  # type: ignore[attr-defined]  # what is opened has it, BinaryIO not
            copy.write(piece)
        copy.flush()
        if not os.fstat(copy.fileno()).st_size:
            raise Corrupt("requested load from stdin, but stdin is empty")
        yield f"/proc/self/fd/{copy.fileno()}"


def _is_regular(source: BinaryIO) -> bool:
    """Tell whether the stream is a regular file that nobody has read from yet."""
    try:
        return stat.S_ISREG(os.fstat(source.fileno()).st_mode) and source.tell() == 0
    except OSError:
        return False
