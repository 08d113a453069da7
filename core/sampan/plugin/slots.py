"""Name the slots a plugin can fill, and what filling one means."""

from __future__ import annotations

import msgspec

from sampan.errors import InvalidInput


class Slot(msgspec.Struct, frozen=True):
    """A slot: its entry-point group, what its plugins are called, the hook that opens one, what that returns.

    ``contract`` is ``module:class``; it is empty, as ``hook`` is, for extensions, which nobody opens.
    """

    name: str
    noun: str
    hook: str = ""
    contract: str = ""

    @property
    def group(self) -> str:
        """The entry-point group, ``sampan.SLOT``."""
        return f"sampan.{self.name}"


SLOTS = {
    slot.name: slot
    for slot in (
        Slot("commands", "command", "sampan_open_command", "click:Command"),
        Slot("registries", "registry client", "sampan_open_registry", "sampan.contracts.registry:Registry"),
        Slot("storage", "storage driver", "sampan_open_storage", "sampan.contracts.storage:StorageDriver"),
        Slot("network", "network driver", "sampan_open_network", "sampan.contracts.network:NetworkDriver"),
        Slot("formats", "snapshot format", "sampan_open_format", "sampan.contracts.format:Format"),
        Slot("runtimes", "runtime", "sampan_open_runtime", "sampan.contracts.runtime:Runtime"),
        Slot("logs", "log driver", "sampan_open_logs", "sampan.contracts.log:LogDriver"),
        Slot("volumes", "volume driver", "sampan_open_volumes", "sampan.contracts.volume:VolumeDriver"),
        Slot("extensions", "extension"),
    )
}


def get(name: str) -> Slot:
    """Return a slot by name. Raises InvalidInput, listing the slots, when there is none."""
    if name not in SLOTS:
        raise InvalidInput(f"no plugin slot named {name!r}", "the slots are " + ", ".join(SLOTS))
    return SLOTS[name]
