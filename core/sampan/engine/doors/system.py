"""Open the doors to what concerns the whole of an engine's root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from sampan.engine.check.finding import Finding
    from sampan.model.disk_usage import DiskUsage


class System(Doors):
    """The root as a whole: what it takes, what happens in it, whether it is sound."""

    def info(self) -> dict[str, Any]:
        """Return what Docker's ``info`` shows: counts, drivers, the machine."""
        from sampan.engine import info

        return info.info(self._engine)

    def disk_usage(self) -> DiskUsage:
        """Return what images and containers take of the disk."""
        from sampan.engine import disk_usage

        return disk_usage.disk_usage(self._engine)

    def events(
        self, *, since: int | None = None, until: int | None = None, filters: Mapping[str, Sequence[str]] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield what happens to containers, images and networks, in the shape of Docker's API.

        Times are nanoseconds since the epoch; without ``since`` what happened before is left out, without ``until``
        there is no end. Raises InvalidInput for a filter there is not.
        """
        from sampan.engine import event_log

        return event_log.events(self._engine, since=since, until=until, filters=filters)

    def check(self, *, repair: bool = False, quick: bool = False, unpacked: bool = False) -> Iterator[Finding]:
        """Yield what is wrong with the store, having mended with ``repair`` what can be without loss.

        ``quick`` does not hash layers; ``unpacked`` compares what storage drivers hold with the layers, file by file.
        """
        from sampan.engine.check import whole as check

        return check.check(self._engine, repair=repair, quick=quick, unpacked=unpacked)
