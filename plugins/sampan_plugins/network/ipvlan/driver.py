"""Connect containers by ipvlan links: the MAC address of a link of the host's for all that are on it."""

from __future__ import annotations

import struct

from sampan.addressing import stacked
from sampan.addressing.stacked import Choice, Record
from sampan.errors import Conflict, InvalidInput
from sampan.model.network import Network

# linux/if_link.h
_MODE, _FLAGS = 1, 2
_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_FLAG = {"bridge": 0, "private": 1, "vepa": 2}


class IpvlanDriver(stacked.StackedDriver):
    """The driver; ``stacked`` tells how it works. In the modes of layer 3 the kernel routes between links by itself."""

    kind = "ipvlan"
    dead_end = "di"
    own_mac = False

    def choice(self, network: Network) -> Choice:
        """Read a network's options. Raises InvalidInput, in Docker's words."""
        choice = stacked.read(network, {"ipvlan_mode": "mode", "ipvlan_flag": "flag"})
        mode, flag = choice.mode or "l2", choice.flag or "bridge"
        if mode not in _MODES:
            raise InvalidInput(f"requested ipvlan mode '{mode}' is not valid, 'l2' mode is the ipvlan driver default")
        if flag not in _FLAG:
            raise InvalidInput(f"requested ipvlan flag '{flag}' is not valid, 'bridge' is the ipvlan driver default")
        return Choice(parent=choice.parent, mode=mode, flag=flag, mtu=choice.mtu)

    def data(self, record: Record) -> tuple[tuple[int, bytes], ...]:
        """Return mode and flag."""
        return (
            (_MODE, struct.pack("=H", _MODES[record.mode])), (_FLAGS, struct.pack("=H", _FLAG[record.flag])),
        )  # fmt: skip

    def admit(self, wanted: Record, other: Record) -> None:
        """Raise Conflict when they differ in what all links on one parent have in common."""
        if (wanted.mode, wanted.flag) != (other.mode, other.flag):
            raise Conflict(
                f"ipvlan network {other.name} is already using parent interface {other.parent} in mode {other.mode} "
                f"with flag {other.flag}",
                "choose these, or another parent",
            )

    def routed(self, record: Record) -> bool:
        """Tell whether the mode is one of layer 3."""
        return record.mode != "l2"
