"""Note what happens to containers, images and networks, for ``events`` to tell.

The history is a file of JSON lines below the run root, each in the shape of Docker's API (``GET /events``), appended by
whoever makes the thing happen in one write(2). It is bounded: when the file is full it becomes the older of two. A
history that cannot be written is no reason for anything to fail.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.store import locks

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.container import Container
    from sampan.model.network import Network
    from sampan.store.layout import Layout

FULL = 1 << 20
"""Bytes at which a new file is begun."""


def container(engine: Engine, record: Container, action: str, **attributes: str) -> None:
    """Note what happened to a container; ``attributes`` tell more of it, in Docker's names."""
    told = {**record.spec.labels, "image": record.spec.image, "name": record.name, **attributes}
    _note(engine.layout, "container", action, record.id, told, {"from": record.spec.image})


def image(engine: Engine, action: str, identity: str, name: str = "") -> None:
    """Note what happened to an image, by its id or, where a name is all there was to it, by that."""
    _note(engine.layout, "image", action, identity, {"name": name or identity}, {})


def network(engine: Engine, record: Network, action: str, **attributes: str) -> None:
    """Note what happened to a network; ``attributes`` tell more of it, in Docker's names."""
    told = {"name": record.name, "type": record.driver, **attributes}
    _note(engine.layout, "network", action, record.id, told, {})


def _note(
    layout: Layout, kind: str, action: str, identity: str, attributes: dict[str, str], more: dict[str, Any]
) -> None:
    now = time.time_ns()
    line = msgspec.json.encode({
        "status": action, "id": identity, **more, "Type": kind, "Action": action,
        "Actor": {"ID": identity, "Attributes": dict(sorted(attributes.items()))},
        "scope": "local", "time": now // 10**9, "timeNano": now,
    })  # fmt: skip
    try:
        _append(layout, line + b"\n")
    except OSError:
        pass


def _append(layout: Layout, line: bytes) -> None:
    descriptor = os.open(layout.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line)
        full = os.fstat(descriptor).st_size > FULL
    finally:
        os.close(descriptor)
    if full:
        _rotate(layout)


def _rotate(layout: Layout) -> None:
    with locks.exclusive(layout, "events", wait=False) as ours:
        if ours and os.stat(layout.events).st_size > FULL:
            os.rename(layout.events, layout.older_events)
