"""Open the doors to volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sampan.engine.prune import Pruned
    from sampan.model.volume import VolumeRecord


class Volumes(Doors):
    """The volumes that are here."""

    def create_volume(
        self, name: str = "", *, driver: str = "", options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> VolumeRecord:
        """Return the volume of this name, made if there is none; without a name a new one."""
        from sampan.engine import volumes

        return volumes.create(self._engine, name, driver=driver, options=options or {}, labels=labels or {})

    def list_volumes(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[VolumeRecord]:
        """Return the volumes that pass every filter (see ``sampan.engine.volumes``), by name."""
        from sampan.engine import volumes

        return volumes.volumes(self._engine, filters)

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """Return what Docker's ``volume inspect`` shows."""
        from sampan.engine import volumes

        return volumes.inspect(self._engine, name)

    def remove_volume(self, name: str) -> None:
        """Remove a volume that no container uses."""
        from sampan.engine import volumes

        volumes.remove(self._engine, name)

    def prune_volumes(
        self, filters: Mapping[str, Sequence[str]] | None = None, *, everything: bool = False
    ) -> Pruned:
        """Remove the anonymous volumes, or all, that no container uses; return their names and the bytes freed."""
        from sampan.engine import volumes

        return volumes.prune(self._engine, filters, everything=everything)
