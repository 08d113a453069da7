"""Change the limits of a container while it runs."""

from __future__ import annotations

import sys

import msgspec

from sampan.errors import InvalidInput, Unsupported
from sampan.model.runtime_spec import CPU, BlockIO, Memory, Pids, Resources
from sampan_plugins.runtimes.native.cli.context import Context, container_of
from sampan_plugins.runtimes.native.cli.options import Given, Option

_OPTIONS = (
    Option("resources", "the file with the limits, as linux.resources of a config.json; - reads them", "path", "r"),
    Option("blkio-weight", "block I/O weight, 10 to 1000", "n"),
    Option("cpu-period", "the CPU period in microseconds", "us"),
    Option("cpu-quota", "CPU time in a period in microseconds", "us"),
    Option("cpu-share", "CPU shares, relative to other containers", "n"),
    Option("cpu-rt-period", "the real-time period in microseconds", "us"),
    Option("cpu-rt-runtime", "real-time CPU time in a period in microseconds", "us"),
    Option("cpuset-cpus", "the CPUs to use", "list"),
    Option("cpuset-mems", "the memory nodes to use", "list"),
    Option("memory", "memory in bytes", "bytes"),
    Option("memory-reservation", "memory in bytes to fall back to under pressure", "bytes"),
    Option("memory-swap", "memory and swap in bytes, -1 for no limit", "bytes"),
    Option("pids-limit", "the most processes and threads", "n"),
    Option("l3-cache-schema", "not supported", "schema"),
    Option("mem-bw-schema", "not supported", "schema"),
)
_SUFFIXES = {"k": 10, "m": 20, "g": 30, "t": 40}


def update(context: Context, given: Given) -> int:
    """Set the limits that are given, and leave others."""
    container = container_of(given, "update")
    if given.text("l3-cache-schema") or given.text("mem-bw-schema"):
        raise Unsupported("sampan-oci does not set up Intel RDT")
    resources = _read(given.text("resources")) if given.text("resources") else _given(given)
    context.state(container)
    context.runtime().update(container, resources)
    return 0


def _read(path: str) -> Resources:
    try:
        if path == "-":
            content = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                content = file.read()
        resources = msgspec.json.decode(content, type=Resources)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {(error.strerror or '').lower()}") from error
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"the resources are not valid: {error}") from error
    # What devices a container may use is settled when it is made; runc's users send an empty list or a partial one.
    return msgspec.structs.replace(resources, devices=[])


def _given(given: Given) -> Resources:
    return Resources(
        memory=Memory(limit=_bytes(given, "memory"), reservation=_bytes(given, "memory-reservation"),
                      swap=_bytes(given, "memory-swap")),
        cpu=CPU(shares=given.number("cpu-share"), quota=given.number("cpu-quota"), period=given.number("cpu-period"),
                realtime_runtime=given.number("cpu-rt-runtime"), realtime_period=given.number("cpu-rt-period"),
                cpus=given.text("cpuset-cpus"), mems=given.text("cpuset-mems")),
        block_io=BlockIO(weight=given.number("blkio-weight")),
        pids=Pids(limit=count) if (count := given.number("pids-limit")) else None)


def _bytes(given: Given, name: str) -> int | None:
    text = given.text(name).lower().removesuffix("b")
    if not text:
        return None
    try:
        return int(text[:-1]) << _SUFFIXES[text[-1]] if text[-1] in _SUFFIXES else int(text)
    except ValueError:
        raise InvalidInput(f"invalid value for {name}: {given.text(name)!r}", "it is a number of bytes") from None


COMMANDS = {"update": ("<container-id>", _OPTIONS, update)}
