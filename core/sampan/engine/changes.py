"""Apply Dockerfile instructions to an image's defaults, as ``import -c`` and ``commit -c`` take them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from sampan.engine import words
from sampan.errors import InvalidInput
from sampan.model.image import Defaults, HealthCheck

_SHELL = ("/bin/sh", "-c")
_PROTOCOLS = ("tcp", "udp", "sctp")
_LAST_PORT = 65535
_NANOSECONDS = {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_FLAG = re.compile(r"--(\S*)\s*")


def apply(defaults: Defaults, changes: Iterable[str]) -> Defaults:
    """Return the defaults with every instruction carried out, in order.

    Takes CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, with
    Dockerfile quoting, continuation lines and variables. Raises InvalidInput in Docker's words.
    """
    changes = list(changes)
    instructions = list(_instructions("\n".join(changes)))
    if changes and not instructions:
        raise InvalidInput("file with no instructions")
    for name, _ in instructions:
        if name not in _CARRIED_OUT:
            raise InvalidInput(f"{name.lower()} is not a valid change command")
    for name, rest in instructions:
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


def _cmd(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, cmd=_command(defaults, rest))


def _entrypoint(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, entrypoint=_command(defaults, rest))


def _command(defaults: Defaults, rest: str) -> tuple[str, ...]:
    listed = _json_list(rest)
    return listed if listed is not None else (*(defaults.shell or _SHELL), rest)


def _env(defaults: Defaults, rest: str) -> Defaults:
    pairs = _pairs(defaults, "ENV", rest)
    merged = _variables(defaults) | pairs
    return msgspec.structs.replace(defaults, env=tuple(f"{key}={value}" for key, value in merged.items()))


def _label(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, labels={**(defaults.labels or {}), **_pairs(defaults, "LABEL", rest)})


def _expose(defaults: Defaults, rest: str) -> Defaults:
    specs = words.expand_all(_some("EXPOSE", rest).split(), _variables(defaults))
    ports: dict[str, object] = {port: {} for spec in specs for port in _ports(spec)}
    return msgspec.structs.replace(defaults, exposed_ports={**(defaults.exposed_ports or {}), **ports})


def _ports(spec: str) -> Iterator[str]:
    numbers, slash, protocol = spec.partition("/")
    protocol = protocol.lower() if slash and protocol else "tcp"
    # A host's address and port may stand before the container's; an image has no use for them.
    first, dash, last = numbers.rpartition(":")[2].partition("-")
    try:
        low, high = int(first), int(last) if dash else int(first)
    except ValueError:
        low, high = 1, 0
    if not 0 <= low <= high <= _LAST_PORT:
        raise InvalidInput(f"Invalid containerPort: {numbers}")
    if protocol not in _PROTOCOLS:
        raise InvalidInput(f"Invalid proto: {protocol}")
    return (f"{port}/{protocol}" for port in range(low, high + 1))


def _healthcheck(defaults: Defaults, rest: str) -> Defaults:
    flags: dict[str, str] = {}
    rest = _some("HEALTHCHECK", rest)
    while match := _FLAG.match(rest):
        name, equals, value = match[1].partition("=")
        if name not in ("interval", "timeout", "start-period", "retries"):
            raise InvalidInput(f"Unknown flag: {name}")
        if not equals:
            raise InvalidInput(f"Missing a value on flag: {name}")
        flags[name] = value
        rest = rest[match.end() :]
    kind, _, command = rest.partition(" ")
    check = HealthCheck(
        test=_test(defaults, kind, command.strip()),
        interval=_interval(flags, "interval"),
        timeout=_interval(flags, "timeout"),
        start_period=_interval(flags, "start-period"),
        retries=_retries(flags.get("retries", "")),
    )
    return msgspec.structs.replace(defaults, healthcheck=check)


def _test(defaults: Defaults, kind: str, command: str) -> tuple[str, ...]:
    if kind.upper() == "NONE":
        if command:
            raise InvalidInput("HEALTHCHECK NONE takes no arguments")
        return ("NONE",)
    if kind.upper() != "CMD":
        raise InvalidInput(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    listed = _json_list(command)
    if not command or listed == ():
        raise InvalidInput("Missing command after HEALTHCHECK CMD")
    return ("CMD", *listed) if listed is not None else ("CMD-SHELL", command)


def _interval(flags: dict[str, str], name: str) -> int:
    text = flags.get(name, "")
    length = _nanoseconds(text) if text else 0
    if length and length < _NANOSECONDS["ms"]:
        raise InvalidInput(f'Interval "{name}" cannot be less than 1ms')
    return length


def _nanoseconds(text: str) -> int:
    parts = _DURATION.findall(text)
    if text == "0":
        return 0
    if not parts or "".join(map("".join, parts)) != text:
        raise InvalidInput(f'time: invalid duration "{text}"')
    return int(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))


def _retries(text: str) -> int:
    if not text:
        return 0
    try:
        count = int(text)
    except ValueError:
        raise InvalidInput(f'--retries must be a number, not "{text}"') from None
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


def _stop_signal(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, stop_signal=_one(defaults, "STOPSIGNAL", rest))


def _user(defaults: Defaults, rest: str) -> Defaults:
    return msgspec.structs.replace(defaults, user=_one(defaults, "USER", rest))


def _volume(defaults: Defaults, rest: str) -> Defaults:
    listed = _json_list(_some("VOLUME", rest))
    volumes = words.expand_all(listed if listed is not None else rest.split(), _variables(defaults))
    if not all(volumes):
        raise InvalidInput("VOLUME specified can not be an empty string")
    return msgspec.structs.replace(
        defaults, volumes={**(defaults.volumes or {}), **{volume: {} for volume in volumes}}
    )


def _workdir(defaults: Defaults, rest: str) -> Defaults:
    path = posixpath.normpath(posixpath.join("/", defaults.working_dir or "", _one(defaults, "WORKDIR", rest)))
    return msgspec.structs.replace(defaults, working_dir="/" + path.lstrip("/"))


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
    try:
        members = msgspec.json.decode(text, type=list[object])
    except msgspec.MsgspecError:
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
    variables = _variables(defaults)
    pairs = {words.expand(key, variables): words.expand(value, variables) for key, value in found}
    if "" in pairs:
        raise InvalidInput(f"{name} names can not be blank")
    return pairs


_CARRIED_OUT: dict[str, Callable[[Defaults, str], Defaults]] = {
    "CMD": _cmd, "ENTRYPOINT": _entrypoint, "ENV": _env, "EXPOSE": _expose, "HEALTHCHECK": _healthcheck,
    "LABEL": _label, "ONBUILD": _onbuild, "STOPSIGNAL": _stop_signal, "USER": _user, "VOLUME": _volume,
    "WORKDIR": _workdir,
}
