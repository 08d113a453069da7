"""Carry out what the journal says of an attempt that failed, or whose process died.

| kind         | what                   | undone by                                                      |
|--------------|------------------------|----------------------------------------------------------------|
| `blobs`      | digests                | removing those that nothing needs                              |
| `chains`     | driver, lowest first   | removing those that nothing needs, with their snapshots        |
| `released`   | digests and chains     | removing those that nothing needs, from every driver           |
| `snapshots`  | driver, keys           | removing the active snapshots                                  |
| `container`  | id                     | removing the container with all there is of it                 |
| `ended`      | id                     | removing the container, which was to go, unless it runs again  |
| `volume`     | driver, name, maker    | removing the volume, if no container uses it                   |
| `lent`       | driver, name, user     | unmounting the volume for that user                            |
| `network`    | id, record             | removing the network, if it is not on record                   |
| `connection` | container, id and name | disconnecting the container, if no endpoint there is on record |
| `running`    | id                     | ending the run: processes, cgroup, mounts and network          |
| `paused`     | id                     | letting the container go on                                    |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sampan.errors import NotFound, PluginFault
from sampan.model.digest import Digest
from sampan.model.network import Network

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Action


class UnknownStep(PluginFault):
    """The journal holds a step of a kind nobody knows."""


def undo(engine: Engine, action: Action) -> None:
    """Undo one step. Possible twice, and before the step was taken. Raises UnknownStep, and what drivers raise."""
    with engine.plugins.answering():
        _undo(engine, action)


def _undo(engine: Engine, action: Action) -> None:
    match action.kind, action.what:
        case "blobs", digests:
            from sampan.engine import collect

            collect.blobs(engine, map(Digest, digests))
        case "chains", (driver, *chains):
            from sampan.engine import collect

            collect.chains(engine, driver, map(Digest, chains))
        case "released", digests:
            from sampan.engine import collect

            collect.released(engine, [Digest(digest) for digest in digests])
        case "snapshots", (driver, *keys):
            for key in keys:
                engine.storage(driver).remove(key)
        case "container", (container,):
            from sampan.engine import remove

            remove.discard(engine, container)
        case "ended", (container,):
            from sampan.engine import remove

            remove.expire(engine, container)
        case "volume", (driver, name, maker):
            from sampan.engine import volumes

            volumes.discard(engine, driver, name, maker)
        case "lent", (driver, name, user):
            from sampan.engine import volume_loan

            volume_loan.give_back(engine, driver, name, user)
        case "network", (_, record):
            from sampan.engine import networks

            networks.discard(engine, msgspec.json.decode(record, type=Network))
        case "connection", (container, network, name):
            from sampan.engine import connecting

            connecting.part(engine, container, network, name)
        case "running", (container,):
            _halt(engine, container)
        case "paused", (container,):
            _thaw(engine, container)
        case kind, _:
            raise UnknownStep(f"the journal holds a step of a kind nobody knows: {kind!r}")


def _halt(engine: Engine, container: str) -> None:
    from sampan.engine import halt

    try:
        record = engine.store.containers.get(container)
    except NotFound:
        return
    halt.halt(engine, record)


def _thaw(engine: Engine, container: str) -> None:
    from sampan.engine import pause
    from sampan.model.container import Status

    try:
        record = engine.store.containers.get(container)
    except NotFound:
        return
    if record.status is Status.PAUSED:
        pause.thaw(engine, record)
