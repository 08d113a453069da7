"""Apply Dockerfile instructions to an image's defaults, as ``import -c`` and ``commit -c`` take them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from sampan.engine import words
from sampan.errors import InvalidInput
from sampan.model.image import Defaults, HealthCheck

_SHELL = ("/bin/sh", "-c")
_PROTOCOLS = ("tcp", "udp", "sctp")
_LAST_PORT = 65535
_NANOSECONDS = {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}
_LONGEST_COUNT = (1 << 31) - 1
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_QUOTING = re.compile(r"\\(.)|[\"']")
_HEALTH_FLAGS = ("interval", "timeout", "start-period", "retries")


def apply(defaults: Defaults, changes: Iterable[str]) -> Defaults:
    """Return the defaults with every instruction carried out, in order.

    Takes CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, USER, VOLUME and WORKDIR, with Dockerfile quoting,
    continuation lines and variables. Raises InvalidInput in Docker's words.
    """
    changes = list(changes)
    instructions = list(_instructions("\n".join(changes)))
    if changes and not instructions:
        raise InvalidInput("file with no instructions")
    for name, _ in instructions:
        if name not in _CARRIED_OUT:
            raise InvalidInput(f"{name.lower()} is not a valid change command")
    for name, rest in instructions:
        if name != "HEALTHCHECK":
            _, rest = _flags(rest, ())
        defaults = _CARRIED_OUT[name](defaults, rest)
    given = {name for name, _ in instructions}
    if "ENTRYPOINT" in given and "CMD" not in given:
        # The old command was meant for the old entry point.
        defaults = msgspec.structs.replace(defaults, cmd=None)
    return defaults


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    pending = ""
    for line in text.split("\n"):
        if line.lstrip().startswith("#") or not (line.strip() or pending):
            continue
        pending += line if pending else line.lstrip()
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        yield _split_name(pending)
        pending = ""
    if pending:
        yield _split_name(pending)


def _split_name(line: str) -> tuple[str, str]:
    name = line.split(None, 1)[0]
    return name.upper(), line[len(name) :].strip()


def _flags(text: str, known: Collection[str]) -> tuple[dict[str, str], str]:
    """Return the flags before an instruction's arguments, and the arguments."""
    flags: dict[str, str] = {}
    while text.startswith("--"):
        word = words.split(text)[0]
        text = text[len(word) :].lstrip()
        name, equals, value = _QUOTING.sub(r"\1", word)[2:].partition("=")
        if not (name or equals):
            break
        if name not in known:
            raise InvalidInput(f"Unknown flag: {name}")
        if name in flags:
            raise InvalidInput(f"Duplicate flag specified: {name}")
        if not equals:
            raise InvalidInput(f"Missing a value on flag: {name}")
        flags[name] = value
    return flags, text


def _cmd(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, cmd=_command(defaults, rest))


def _entrypoint(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, entrypoint=_command(defaults, rest) if rest else None)


def _command(defaults: Defaults, rest: str) -> tuple[str, ...]:
    listed = _json_list(rest)
    return listed if listed is not None else (*(defaults.shell or _SHELL), *([rest] if rest else ()))


def _env(defaults: Defaults, rest: str) -> Defaults:
    pairs = _pairs(defaults, "ENV", rest)
    merged = _variables(defaults) | pairs
    return msgspec.structs.replace(defaults, env=tuple(f"{key}={value}" for key, value in merged.items()))


def _label(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, labels={**(defaults.labels or {}), **_pairs(defaults, "LABEL", rest)})


def _expose(defaults: Defaults, rest: str) -> Defaults:
    expanded = words.expand_all(_some("EXPOSE", rest).split(), _variables(defaults))
    # What a variable holds may be several, or none.
    specs = [spec for text in expanded for spec in text.split()]
    ports: dict[str, object] = {port: {} for spec in specs for port in _ports(spec)}
    return msgspec.structs.replace(defaults, exposed_ports={**(defaults.exposed_ports or {}), **ports})


def _ports(spec: str) -> Iterator[str]:
    """Return what a port or a range of them means; a host's may stand before it, for which an image has no use."""
    before, _, own = spec.rpartition(":")
    numbers, _, protocol = own.partition("/")
    protocol = protocol.partition("/")[0] or "tcp"
    if not numbers:
        raise InvalidInput(f"No port specified: {spec}<empty>")
    ports = _range("containerPort", numbers)
    if host := before.rpartition(":")[2]:
        theirs = _range("hostPort", host)
        if len(ports) not in (1, len(theirs)):
            raise InvalidInput(f"Invalid ranges specified for container and host Ports: {numbers} and {host}")
    if protocol.lower() not in _PROTOCOLS:
        raise InvalidInput(f"Invalid proto: {protocol}")
    return (f"{port}/{protocol.lower()}" for port in ports)


def _range(kind: str, text: str) -> range:
    first, dash, last = text.partition("-")
    ends = [first, last if dash else first]
    if not all(end.isascii() and end.isdigit() for end in ends) or not int(ends[0]) <= int(ends[1]) <= _LAST_PORT:
        raise InvalidInput(f"Invalid {kind}: {text}")
    return range(int(ends[0]), int(ends[1]) + 1)


def _healthcheck(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, healthcheck=_check(rest))


def _check(rest: str) -> HealthCheck:
    flags, rest = _flags(rest, _HEALTH_FLAGS)
    kind, command = _split_name(_some("HEALTHCHECK", rest))
    if kind == "NONE":
        if command:
            raise InvalidInput("HEALTHCHECK NONE takes no arguments")
        return HealthCheck(test=("NONE",))
    return HealthCheck(
        test=_test(kind, command),
        interval=_interval(flags, "interval"),
        timeout=_interval(flags, "timeout"),
        start_period=_interval(flags, "start-period"),
        retries=_retries(flags.get("retries", "")),
    )


def _test(kind: str, command: str) -> tuple[str, ...]:
    if kind != "CMD":
        raise InvalidInput(f"Unknown type {words.quoted(kind)} in HEALTHCHECK (try CMD)")
    listed = _json_list(command)
    if not command or listed == ():
        raise InvalidInput("Missing command after HEALTHCHECK CMD")
    return ("CMD", *listed) if listed is not None else ("CMD-SHELL", command)


def _interval(flags: dict[str, str], name: str) -> int:
    text = flags.get(name)
    if not text:
        return 0
    length = _nanoseconds(text)
    if length < _NANOSECONDS["ms"]:
        raise InvalidInput(f'Interval "{name}" cannot be less than 1ms')
    return length


def _nanoseconds(text: str) -> int:
    """Read a duration as Go's time.ParseDuration does, in its words."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    length, at = 0.0, 0
    while not rest or at < len(rest):
        part = _DURATION.match(rest, at)
        if part is None:
            raise InvalidInput(f"time: invalid duration {words.quoted(text)}")
        number, unit = part.groups()
        if unit not in _NANOSECONDS:
            fault = f"unknown unit {words.quoted(unit)}" if unit else "missing unit"
            raise InvalidInput(f"time: {fault} in duration {words.quoted(text)}")
        length, at = length + float(number) * _NANOSECONDS[unit], part.end()
    return sign * int(length)


def _retries(text: str) -> int:
    if not text:
        return 0
    if not _INTEGER.fullmatch(text):
        raise InvalidInput(f"strconv.ParseInt: parsing {words.quoted(text)}: invalid syntax")
    count = int(text)
    if abs(count) > _LONGEST_COUNT:
        raise InvalidInput(f"strconv.ParseInt: parsing {words.quoted(text)}: value out of range")
    if count < 1:
        raise InvalidInput(f"--retries must be at least 1 (not {count})")
    return count


def _onbuild(defaults: Defaults, rest: str) -> Defaults:
    trigger = _some("ONBUILD", rest).split()[0].upper()
    if trigger == "ONBUILD":
        raise InvalidInput("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("FROM", "MAINTAINER"):
        raise InvalidInput(f"{trigger} isn't allowed as an ONBUILD trigger")
    return msgspec.structs.replace(defaults, on_build=(*(defaults.on_build or ()), rest))


def _user(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, user=_one(defaults, "USER", rest))


def _volume(defaults: Defaults, rest: str) -> Defaults:
    listed = _json_list(rest)
    _some("VOLUME", rest if listed != () else "")
    volumes = words.expand_all(listed if listed is not None else rest.split(), _variables(defaults))
    if not all(volumes):
        raise InvalidInput("VOLUME specified can not be an empty string")
    return msgspec.structs.replace(
        defaults, volumes={**(defaults.volumes or {}), **{volume: {} for volume in volumes}}
    )


def _workdir(defaults: Defaults, rest: str) -> Defaults:
    path = _one(defaults, "WORKDIR", rest)
    if not path:
        raise InvalidInput("cannot normalize nothing")
    if not path.startswith("/"):
        path = "/" + posixpath.normpath(posixpath.join("/", defaults.working_dir or "", path)).lstrip("/")
    return msgspec.structs.replace(defaults, working_dir=path)


def _some(name: str, rest: str) -> str:
    if not rest:
        raise InvalidInput(f"{name} requires at least one argument")
    return rest


def _one(defaults: Defaults, name: str, rest: str) -> str:
    if not rest:
        raise InvalidInput(f"{name} requires exactly one argument")
    return words.expand(rest, _variables(defaults))


def _variables(defaults: Defaults) -> dict[str, str]:
    return {key: value for key, _, value in (entry.partition("=") for entry in defaults.env or ())}


def _json_list(text: str) -> tuple[str, ...] | None:
    """Return the strings of a JSON array; None when the text is not one. Raises InvalidInput on other members."""
    if not text.startswith("["):
        return None
    import json  # for raw_decode: what follows the array goes unnoticed

    try:
        members, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None  # Docker takes it for the shell form then
    if not all(isinstance(member, str) for member in members):
        raise InvalidInput("when using JSON array syntax, arrays must be comprised of strings only")
    return tuple(map(str, members))


def _pairs(defaults: Defaults, name: str, rest: str) -> dict[str, str]:
    """Parse ``key=value …``, or the older ``key value``."""
    parts = words.split(_some(name, rest))
    if "=" not in parts[0]:
        if len(parts) < 2:
            raise InvalidInput(f"{name} must have two arguments")
        found = [(parts[0], rest[len(parts[0]) :].strip())]
    else:
        for part in parts:
            if "=" not in part:
                raise InvalidInput(f'Syntax error - can\'t find = in "{part}". Must be of the form: name=value')
        found = [(key, value) for key, _, value in (part.partition("=") for part in parts)]
    if not all(key for key, _ in found):
        raise InvalidInput(f"{name} names can not be blank")
    variables = _variables(defaults)
    return {words.expand(key, variables): words.expand(value, variables) for key, value in found}


_CARRIED_OUT: dict[str, Callable[[Defaults, str], Defaults]] = {
    "CMD": _cmd, "ENTRYPOINT": _entrypoint, "ENV": _env, "EXPOSE": _expose, "HEALTHCHECK": _healthcheck,
    "LABEL": _label, "ONBUILD": _onbuild, "USER": _user, "VOLUME": _volume,
    "WORKDIR": _workdir,
}
