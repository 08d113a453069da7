"""Read what the probe tells of where it ran, and say in what one place confines less than another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

_REFUSED = frozenset((1, 13, 38))  # EPERM, EACCES, ENOSYS: the call never got to do anything
_FIXED = ("ro", "nosuid", "nodev", "noexec")
_CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_SIGNALS = ("SigIgn", "SigBlk")
_SAME = ("Uid", "Gid")

Told = dict[str, dict[str, str]]


def parse(text: str) -> Told:
    """Return the values that lines of "KIND NAME VALUE" tell, by kind and name."""
    told: Told = defaultdict(dict)
    for line in text.splitlines():
        kind, name, value = line.split(" ", 2)
        told[kind][name] = value
    assert {"status", "call", "device", "mount"} <= told.keys(), text
    return told


def weaknesses(ours: Told, theirs: Told) -> list[str]:
    """Return in what ``ours`` confines less than ``theirs``."""
    return [*_in_status(ours, theirs), *_in_answers(ours, theirs), *_in_mounts(ours, theirs), *_in_sight(ours, theirs)]


def _in_status(ours: Told, theirs: Told) -> Iterator[str]:
    own, other = ours["status"], theirs["status"]
    for name in _CAPABILITIES + _SIGNALS:  # Docker hands on what its daemon was started with
        if more := int(own[name], 16) & ~int(other[name], 16):
            yield f"{name} has {more:x} more"
    for name in ("NoNewPrivs", "Seccomp"):
        if int(own[name]) < int(other[name]):
            yield f"{name} is {own[name]}, not {other[name]}"
    for name in _SAME:
        if own[name] != other[name]:
            yield f"{name} is {own[name]}, not {other[name]}"
    for name in ("umask", "securebits"):
        if ours["value"][name] != theirs["value"][name]:
            yield f"{name} is {ours['value'][name]}, not {theirs['value'][name]}"


def _in_answers(ours: Told, theirs: Told) -> Iterator[str]:
    for kind in ("call", "device"):
        for name, answer in ours[kind].items():
            if int(theirs[kind][name]) in _REFUSED and int(answer) not in _REFUSED:
                yield f"{kind} {name} gets to {answer}, not {theirs[kind][name]}"


def _in_mounts(ours: Told, theirs: Told) -> Iterator[str]:
    for place, options in theirs["mount"].items():
        if place not in ours["mount"]:
            continue  # nothing is there, or it is no mount of its own: what it lets be written is told by itself
        for word in set(options.split(",")) & set(_FIXED) - set(ours["mount"][place].split(",")):
            yield f"{place} is not {word}"


def _in_sight(ours: Told, theirs: Told) -> Iterator[str]:
    for kind in ("writable", "readable", "descriptor"):
        for name in ours[kind].keys() - theirs[kind].keys():
            yield f"{name} is {kind}"
    for name, value in ours["node"].items():
        if theirs["node"].get(name) != value:
            yield f"/dev/{name} is {value}, not {theirs['node'].get(name)}"
