"""Parse ``-v``, ``--mount`` and ``--tmpfs`` as Docker does."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sampan.cli.flags import FALSE, TRUE
from sampan.errors import InvalidInput
from sampan.model.container import PROPAGATIONS, Volume

_MODES = PROPAGATIONS | {"ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"}
_SWITCHES = frozenset(("readonly", "ro", "volume-nocopy", "bind-nonrecursive"))
_TMPFS_FLAGS = frozenset((
    "defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", "remount",
    "mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "relatime", "norelatime",
    "strictatime", "nostrictatime", "unbindable", "runbindable", *PROPAGATIONS,
))  # fmt: skip
_TMPFS_VALUES = frozenset(("mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "size"))


def volume(text: str) -> Volume:
    """Return what one ``-v`` asks for: ``/host:/container[:mode,…]``, a named or an anonymous volume."""
    parts = text.split(":")
    if not all(parts) or len(parts) > 3 or (len(parts) == 2 and set(parts[1].split(",")) <= _MODES):
        raise InvalidInput(f"invalid volume specification: '{text}'")
    if len(parts) == 1:
        return Volume(kind="volume", target=_absolute(parts[0], text))
    source, target = parts[0], _absolute(parts[1], text)
    modes = parts[2].split(",") if len(parts) == 3 else []
    if len(modes) != len(set(modes)) or not set(modes) <= _MODES:
        raise InvalidInput(f"invalid mode: {parts[2]}")
    kind = "bind" if source[0] in "/.~" else "volume"
    return Volume(
        kind=kind, target=target, source=os.path.abspath(source) if kind == "bind" else source,
        read_only="ro" in modes, options=tuple(mode for mode in modes if mode not in ("ro", "rw", "nocopy")),
        create_source=kind == "bind", copy="nocopy" not in modes,
    )


def tmpfs(text: str) -> Volume:
    """Return what one ``--tmpfs`` asks for: ``/container[:option,…]``."""
    target, _, options = text.partition(":")
    words = [word for word in options.split(",") if word]
    for word in words:
        key, equals, _ = word.partition("=")
        if key not in (_TMPFS_VALUES if equals else _TMPFS_FLAGS):
            raise InvalidInput(f'invalid tmpfs option ["{word}"]')
    return Volume(kind="tmpfs", target=_absolute(target), options=tuple(words))


def mount(text: str) -> Volume:
    """Return what one ``--mount`` asks for: ``type=bind,source=…,target=…,…``, fields as in a line of CSV."""
    if not text:
        raise InvalidInput("value is empty")
    fields: dict[str, str] = {}
    for field in fields_of(text):
        key, equals, value = field.partition("=")
        key = key.lower().strip()
        if not equals and key not in _SWITCHES:
            raise InvalidInput(f"invalid field '{field}' must be a key=value pair")
        name = _KEYS.get(key, key)
        if name not in _KNOWN:
            raise InvalidInput(f"unexpected key '{key}' in '{field}'")
        if key in _SWITCHES and equals and value not in TRUE | FALSE:
            raise InvalidInput(f"invalid value for {key}: {value}")
        if name in _REPEATED and name in fields:
            value = f"{fields[name]}\0{value}"
        fields[name] = value if equals else "true"
    return _mount(fields)


def fields_of(text: str) -> list[str]:
    """Return the fields of a line of CSV."""
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text], strict=True))


_REPEATED = frozenset(("volume-opt", "volume-label"))
_KEYS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_KNOWN = frozenset((
    "type", "source", "target", "readonly", "consistency", "bind-propagation", "bind-nonrecursive", "bind-recursive",
    "volume-nocopy", "volume-label", "volume-driver", "volume-opt", "volume-subpath", "tmpfs-size", "tmpfs-mode",
    "image-subpath",
))  # fmt: skip


def _mount(fields: dict[str, str]) -> Volume:
    kind = fields.get("type", "volume").lower()
    target, source = fields.get("target", ""), fields.get("source", "")
    read_only = fields.get("readonly", "false") in TRUE
    options = _tmpfs_options(fields)
    if not target:
        raise InvalidInput("target is required")
    for other in ("bind", "volume", "image", "tmpfs"):
        if other != kind and any(key.startswith(f"{other}-") for key in fields):
            raise InvalidInput(f"cannot mix '{other}-*' options with mount type '{kind}'")
    recursive = _recursive(fields)
    problem = _problem(kind, source, fields.get("bind-propagation", ""))
    if problem:
        raise InvalidInput(f'invalid mount config for type "{kind}": {problem}')
    if fields.get("bind-propagation"):
        options.append(fields["bind-propagation"])
    if kind == "tmpfs" and read_only:
        options.append("ro")
    path = os.path.abspath(source) if kind == "bind" else source
    return Volume(
        kind=kind, target=_absolute(target), source=path, read_only=read_only, options=tuple(options),
        copy=fields.get("volume-nocopy", "false") not in TRUE, subpath=fields.get(f"{kind}-subpath", ""),
        recursive=recursive, driver=fields.get("volume-driver", ""), labels=_pairs(fields.get("volume-label", "")),
        driver_options=_pairs(fields.get("volume-opt", "")), given="mount",
    )


def _recursive(fields: dict[str, str]) -> str:
    """Return what becomes of the mounts below a bind's source: empty, as is usual, or how else."""
    chosen = fields.get("bind-recursive", "enabled")
    if chosen not in _RECURSIVE:
        raise InvalidInput(
            f'invalid value for bind-recursive: {chosen} (must be "enabled", "disabled", "writable", or "readonly")'
        )
    missing = ""
    if chosen in ("writable", "readonly") and fields.get("readonly", "false") not in TRUE:
        missing = "readonly"
    elif chosen == "readonly" and fields.get("bind-propagation") != "rprivate":
        missing = "bind-propagation=rprivate"
    if missing:
        raise InvalidInput(f"option 'bind-recursive={chosen}' requires '{missing}' to be specified in conjunction")
    if fields.get("bind-nonrecursive", "false") in TRUE:
        return "disabled"
    return "" if chosen == "enabled" else chosen


_RECURSIVE = ("enabled", "disabled", "writable", "readonly")


def _pairs(text: str) -> dict[str, str]:
    """Return the pairs of a field that may be given several times."""
    return {key: value for key, _, value in (pair.partition("=") for pair in text.split("\0") if pair)}


def _problem(kind: str, source: str, propagation: str) -> str:
    if kind not in ("bind", "volume", "tmpfs", "image"):
        return "mount type unknown"
    if kind in ("bind", "image") and not source:
        return "field Source must not be empty"
    if kind == "tmpfs" and source:
        return "field Source must not be specified"
    if propagation and propagation not in PROPAGATIONS:
        return f"invalid propagation mode: {propagation}"
    return ""


def _tmpfs_options(fields: dict[str, str]) -> list[str]:
    from sampan.cli.units import parse_memory

    options = []
    try:
        if "tmpfs-size" in fields:
            options.append(f"size={parse_memory(fields['tmpfs-size'])}")
        if "tmpfs-mode" in fields:
            options.append(f"mode={int(fields['tmpfs-mode'], 8):o}")
    except (InvalidInput, ValueError):
        key = "tmpfs-size" if "tmpfs-size" in fields and not options else "tmpfs-mode"
        raise InvalidInput(f"invalid value for {key}: {fields[key]}") from None
    return options


def _absolute(target: str, within: str = "") -> str:
    if not target.startswith("/"):
        problem = f"invalid mount path: '{target}' mount path must be absolute"
        where = f"invalid volume specification: '{within}': invalid mount config for type \"bind\": " if within else ""
        raise InvalidInput(where + problem)
    return target


def volumes(binds: Iterable[str], mounts: Iterable[Volume], tmpfses: Iterable[str]) -> tuple[Volume, ...]:
    """Return all that is to be mounted."""
    return (*map(volume, binds), *mounts, *map(tmpfs, tmpfses))
