"""Connect containers by macvlan links: a MAC address for each, on a link of the host's."""

from __future__ import annotations

import struct

from sampan.addressing import stacked
from sampan.addressing.stacked import Choice, Record
from sampan.errors import Conflict, InvalidInput
from sampan.model.network import Network

# linux/if_link.h
_MODE = 1
_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_PASSTHRU = "passthru"


class MacvlanDriver(stacked.StackedDriver):
    """The driver; ``stacked`` tells how it works. In mode ``passthru`` one container has its parent to itself."""

    kind = "macvlan"
    dead_end = "dm"

    def choice(self, network: Network) -> Choice:
        """Read a network's options. Raises InvalidInput, in Docker's words."""
        choice = stacked.read(network, {"macvlan_mode": "mode"})
        mode = choice.mode or "bridge"
        if mode not in _MODES:
            raise InvalidInput(
                f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
            )
        return Choice(parent=choice.parent, mode=mode, mtu=choice.mtu)

    def data(self, record: Record) -> tuple[tuple[int, bytes], ...]:
        """Return the mode."""
        return ((_MODE, struct.pack("=I", _MODES[record.mode])),)

    def admit(self, wanted: Record, other: Record) -> None:
        """Raise Conflict when either would have the parent to itself."""
        for one, words in ((wanted, "cannot use mode passthru, "), (other, "")):
            if one.mode == _PASSTHRU:
                tail = " in mode passthru" if one is other else ""
                raise Conflict(
                    f"{words}macvlan network {other.name} is already using parent interface {other.parent}{tail}"
                )
