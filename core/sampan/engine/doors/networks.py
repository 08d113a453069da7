"""Open the doors to networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine.doors.base import Doors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sampan.model.network import Connection, Network


class Networks(Doors):
    """The networks that are here, and who is on them."""

    def create_network(self, wanted: Network) -> Network:
        """Make a network as it is wanted, but for its id and time, and its driver if that is empty."""
        from sampan.engine import networks

        return networks.create(self._engine, wanted)

    def list_networks(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Network]:
        """Return the networks that pass every filter (see ``sampan.engine.networks``), by name."""
        from sampan.engine import networks

        return networks.networks(self._engine, filters)

    def remove_network(self, name: str) -> None:
        """Remove a network that no running container is on."""
        from sampan.engine import networks

        networks.remove(self._engine, name)

    def prune_networks(
        self, *, until: float | None = None, labels: Sequence[str] = (), without: Sequence[str] = ()
    ) -> list[str]:
        """Remove the networks that no running container is on, and return their names; which, see ``prune_images``."""
        from sampan.engine import networks, prune

        return networks.prune(self._engine, prune.Choice(until, labels, without))

    def inspect_network(self, name: str) -> dict[str, Any]:
        """Return what Docker's ``network inspect`` shows."""
        from sampan.engine import networks

        return networks.inspect(self._engine, name)

    def connect(self, container: str, connection: Connection) -> None:
        """Connect a container to a network, at once where it runs, and whenever it will."""
        from sampan.engine import connecting

        connecting.connect(self._engine, container, connection)

    def disconnect(self, container: str, network: str, *, force: bool = False) -> None:
        """Disconnect a container from a network, at once where it runs."""
        from sampan.engine import connecting

        connecting.disconnect(self._engine, container, network, force=force)
