"""Write containers as rows of a listing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sampan.cli import units
from sampan.errors import SampanError

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.model.container import Container

HEADERS = {
    "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT", "RunningFor": "CREATED",
    "Status": "STATUS", "State": "STATE", "Ports": "PORTS", "Names": "NAMES", "Size": "SIZE", "Labels": "LABELS",
    "Mounts": "MOUNTS", "LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS", "Platform": "PLATFORM",
}  # fmt: skip


class Rows:
    """Writes containers as rows."""

    def __init__(self, context: Context, no_trunc: bool) -> None:
        self._context = context
        self._whole = no_trunc
        self._now = time.time()
        self._images: dict[tuple[str, str], str] = {}

    def identity(self, container: Container) -> str:
        """Return the id as it is shown."""
        return container.id if self._whole else container.short_id

    def row(self, container: Container, size: str = "0B") -> dict[str, Any]:
        """Return the fields of a row."""
        spec = container.spec
        return {
            "ID": self.identity(container),
            "Image": self._image(container),
            "Command": self._command(container),
            "CreatedAt": lambda: time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(container.created)),
            "RunningFor": units.ago(container.created, self._now),
            "Status": units.status(
                container.status, container.started, container.finished, container.exit_code, self._now,
                container.health,
            ),
            "State": str(container.status),
            "Ports": lambda: self._ports(container),
            "Names": container.name,
            "Size": size,
            "Labels": ",".join(f"{key}={value}" for key, value in sorted(spec.labels.items())),
            "Label": lambda key: spec.labels.get(key, ""),
            "Mounts": lambda: self._mounts(container),
            "LocalVolumes": str(sum(volume.kind == "volume" for volume in spec.volumes)),
            "Networks": ",".join(sorted(one.network for one in spec.connections)),
            "Platform": spec.platform or None,
        }

    def _image(self, container: Container) -> str:
        """Return the image's name as the user gave it; its id if that is what was given, or names another by now."""
        key = (container.spec.image, container.image_id)
        if key not in self._images:
            self._images[key] = self._name(container)
        return self._images[key]

    def _name(self, container: Container) -> str:
        given, identity = container.spec.image, container.image_id
        digits = identity.partition(":")[2]
        try:
            same = self._context.engine.image(given).id == identity
        except SampanError:
            same = False
        if same and not digits.startswith(given.removeprefix("sha256:")):
            return given
        return identity if self._whole else digits[:12]

    def _command(self, container: Container) -> str:
        args = (f"'{arg}'" if " " in arg else arg for arg in container.args)
        line = " ".join((container.path, *args))
        if not self._whole and len(line) > 20:
            line = line[:19] + "…"
        return _quoted(line)

    def _ports(self, container: Container) -> str:
        if not container.endpoints or not (container.spec.exposed_ports and container.alive):
            return ""
        from sampan_plugins.commands._ports import written

        return written(self._context.engine.ports(container))

    def _mounts(self, container: Container) -> str:
        names = (volume.source for volume in container.spec.volumes if volume.kind != "tmpfs")
        return ",".join(
            name if self._whole or len(name) <= 15 else name[:14] + "…" for name in names if name
        )


def _quoted(text: str) -> str:
    """Return text as Go's strconv.Quote does."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b",
               "\f": "\\f", "\v": "\\v"}  # fmt: skip
    return '"' + "".join(escapes.get(one) or (one if one.isprintable() else _escaped(one)) for one in text) + '"'


def _escaped(one: str) -> str:
    code = ord(one)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
