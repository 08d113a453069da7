"""Open the doors through which images come and go as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors
from sampan.engine.progress import Report, silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from sampan.engine.load import Loaded
    from sampan.model.image import Image


class Archives(Doors):
    """What goes between here and a file."""

    def import_image(
        self,
        source: BinaryIO | str,
        reference: str = "",
        *,
        message: str = "",
        changes: tuple[str, ...] = (),
        platform: str = "",
        report: Report = silent,
    ) -> Image:
        """Make an image of one layer from a snapshot of a root file system, or a directory's path."""
        from sampan.engine import import_image

        return import_image.import_image(
            self._engine, source, reference, message=message, changes=changes, platform=platform, report=report
        )

    def load(
        self,
        source: BinaryIO | str,
        *,
        format: str = "",  # noqa: A002  # what it is
        platform: str = "",
        report: Report = silent,
    ) -> list[Loaded]:
        """Bring in every image of an archive: a file's or directory's path, or a stream; ``format`` empty: any."""
        from sampan.engine import load

        return load.load(self._engine, source, form=format, platform=platform, report=report)

    def save(self, names: Sequence[str], out: BinaryIO, *, format: str = "", platform: str = "") -> None:  # noqa: A002  # what it is
        """Write images, by name or id, to ``out`` as one archive; ``format`` empty: the settings'."""
        from sampan.engine import save

        save.save(self._engine, names, out, form=format, platform=platform)

    def export(self, container: str, out: BinaryIO, *, format: str = "") -> None:  # noqa: A002  # the flag's name
        """Write a container's root file system to ``out`` as a snapshot, in a ``format``, by name, or the settings'."""
        from sampan.engine import export

        export.export(self._engine, container, out, format)
