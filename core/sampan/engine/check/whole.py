"""Compare all that the store holds with all that it should, and mend what differs.

Other commands go on meanwhile. What they lease or have noted is theirs, and a suspicion becomes a finding only when
looks some time apart agree on it, so that what comes or goes while it is looked at is no fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sampan.engine.check import blobs, containers, database, images, layers, leftovers, volumes
from sampan.engine.check import unpacked as unpacked_layers
from sampan.engine.check.finding import Finding, Suspicion, reason
from sampan.errors import Corrupt, SampanError

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_LOOKS = 3
_SECONDS_BETWEEN_LOOKS = 0.05

_Look = Callable[[], Iterable[Suspicion]]


def check(engine: Engine, *, repair: bool, quick: bool, unpacked: bool) -> Iterator[Finding]:
    """Yield what is wrong with the store, room by room in the order in which mending one may mend the next."""
    try:
        _ = engine.store
    except Corrupt as error:
        path = engine.layout.database
        yield Finding(kind="database", name=path, problem=error.message, remedy=database.lost(engine))
        return
    looks: list[_Look] = [
        lambda: database.look(engine),
        lambda: blobs.look(engine, quick=quick),
        lambda: images.look(engine),
        lambda: layers.look(engine),
        lambda: volumes.look(engine),
        lambda: containers.look(engine),
        lambda: leftovers.look(engine),
    ]
    if unpacked:
        looks.insert(4, lambda: unpacked_layers.look(engine))
    for look in looks:
        yield from _room(look, repair=repair)


def _room(look: _Look, *, repair: bool) -> Iterator[Finding]:
    found = _confirmed(look)
    if not repair or not found:
        yield from (suspicion.told() for suspicion in found)
        return
    failures = {suspicion.key: _mend(suspicion) for suspicion in found}
    left = {suspicion.key: suspicion for suspicion in _confirmed(look)}
    for suspicion in found:
        yield suspicion.told(mended=suspicion.key not in left, failure=failures[suspicion.key])
    # What came to light only when something else had been mended.
    yield from (suspicion.told() for key, suspicion in left.items() if key not in failures)


def _confirmed(look: _Look) -> list[Suspicion]:
    """Look until there is nothing, or the last of several looks agrees with all before it."""
    found = {suspicion.key: suspicion for suspicion in look()}
    for _ in range(_LOOKS - 1):
        if not found:
            break
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        found = {suspicion.key: suspicion for suspicion in look() if suspicion.key in found}
    return list(found.values())


def _mend(suspicion: Suspicion) -> str:
    """Mend one thing; return why it could not be, if it is known."""
    if suspicion.mend is None:
        return ""
    try:
        suspicion.mend()
    except (SampanError, OSError) as error:
        return reason(error)
    return ""
