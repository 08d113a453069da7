"""Tell what happened, and go on telling as it happens."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.errors import InvalidInput
from sampan.kernel.inotify import Watch

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.layout import Layout

Event = dict[str, Any]
_BLOCK = 1 << 16
_FILTERS = frozenset(
    ("config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
     "service", "type", "volume")
)  # fmt: skip
_VARIED = ("health_status", "exec_create", "exec_start")
"""Events that tell more after a colon; a filter may name them without."""


def events(
    engine: Engine, *, since: int | None, until: int | None, filters: Mapping[str, Sequence[str]] | None
) -> Iterator[Event]:
    """Yield events; see Engine.events."""
    chosen = _Filters(filters or {})
    engine.layout.prepare()
    with Watch(engine.layout.run_root) as changes, _Log(engine.layout, from_the_end=since is None) as log:
        while True:
            for event in log.rest():
                if until is not None and event["timeNano"] > until:
                    return
                if event["timeNano"] >= (since or 0) and chosen.fit(event):
                    yield event
            left = None if until is None else (until - time.time_ns()) / 1e9
            if left is not None and left <= 0:
                return
            changes.wait(left)


class _Log:
    """The two files, read as one that grows. A context manager."""

    def __init__(self, layout: Layout, *, from_the_end: bool) -> None:
        self._layout = layout
        self._chain = [] if from_the_end else _opened(layout.older_events)
        self._chain += _opened(layout.events)
        if len(self._chain) > 1 and os.path.sameopenfile(*self._chain):  # it grew old in between
            os.close(self._chain.pop())
        if from_the_end:
            for descriptor in self._chain:
                os.lseek(descriptor, 0, os.SEEK_END)
        self._torn = b""

    def rest(self) -> Iterator[Event]:
        """Yield what has come since the last call."""
        while True:
            for descriptor in self._chain:
                yield from self._drain(descriptor)
            if not self._renewed():
                return

    def _drain(self, descriptor: int) -> Iterator[Event]:
        while block := os.read(descriptor, _BLOCK):
            *lines, self._torn = (self._torn + block).split(b"\n")
            for line in lines:
                try:
                    yield msgspec.json.decode(line, type=Event)
                except msgspec.MsgspecError:
                    continue  # a power cut tore it

    def _renewed(self) -> bool:
        """Turn to the new file once the one being read has grown old and has been read to its end."""
        try:
            inode = os.stat(self._layout.events).st_ino
        except FileNotFoundError:
            return False
        if self._chain and os.fstat(self._chain[-1]).st_ino == inode:
            return False
        last = self._chain[-1:]  # once more, for what came between its last read and the change
        for descriptor in self._chain[:-1]:
            os.close(descriptor)
        self._chain = [*last, *_opened(self._layout.events)]
        return True

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._chain:
            os.close(descriptor)


def _opened(path: str) -> list[int]:
    try:
        return [os.open(path, os.O_RDONLY | os.O_CLOEXEC)]
    except FileNotFoundError:
        return []


class _Filters:
    """Tells which events are wanted: any value of one name, and every name, must fit; every label must."""

    def __init__(self, wanted: Mapping[str, Sequence[str]]) -> None:
        for name in wanted:
            if name not in _FILTERS:
                raise InvalidInput(f"invalid filter '{name}'")
        self._wanted = wanted

    def fit(self, event: Event) -> bool:
        """Tell whether an event is wanted."""
        return all(self._fits(event, name, values) for name, values in self._wanted.items())

    def _fits(self, event: Event, name: str, values: Sequence[str]) -> bool:
        attributes = event["Actor"]["Attributes"]
        match name:
            case "event":
                action = event["Action"]
                kind = action.partition(":")[0]
                return action in values or (kind in _VARIED and kind in values)
            case "label":
                return all(_has(attributes, *value.partition("=")) for value in values)
            case "type":
                return event["Type"] in values
            case "scope":
                return event["scope"] in values
            case "image":
                return bool(_image_names(event).intersection(values))
            case "daemon" | "node":
                return False  # nothing happens to one
        told = (event["Actor"]["ID"], attributes.get("name", ""))
        return event["Type"] == name and any(text.startswith(value) for text in told for value in values)


def _has(attributes: Mapping[str, str], key: str, equals: str, value: str) -> bool:
    return key in attributes and (not equals or attributes[key] == value)


def _image_names(event: Event) -> set[str]:
    """Return what an image may be called by: id or name, with its tag or without."""
    attributes = event["Actor"]["Attributes"]
    name = attributes.get("name" if event["Type"] == "image" else "image", "")
    path, slash, last = name.rpartition("/")
    return {event["Actor"]["ID"], name, f"{path}{slash}{last.partition('@')[0].partition(':')[0]}"} - {""}
