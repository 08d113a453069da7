"""Show containers: their state, their processes, what they use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import msgspec

from sampan.errors import InvalidInput, NotFound, SampanError, Unsupported
from sampan_plugins.runtimes.native.cli.context import Context, container_of
from sampan_plugins.runtimes.native.cli.options import Given, Option
from sampan_plugins.runtimes.native.state import State

_COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def state(context: Context, given: Given) -> int:
    """Print a container's state as a JSON object."""
    found, status = context.state(container_of(given, "state"))
    print(msgspec.json.format(msgspec.json.encode(_described(context, found, status)), indent=2).decode())
    return 0


def _described(context: Context, found: State, status: str) -> dict[str, object]:
    seconds, fraction = divmod(found.created, 1)
    created = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(fraction * 1e9):09}Z"
    return found.document(status) | {
        "rootfs": found.rootfs, "created": created, "owner": _owner(f"{context.root}/{found.id}")}


def _owner(path: str) -> str:
    import pwd

    try:
        return pwd.getpwuid(os.stat(path).st_uid).pw_name
    except (KeyError, OSError):
        return ""


def list_(context: Context, given: Given) -> int:
    """Print a table of all containers, or as JSON, or their ids alone."""
    found = sorted((_described(context, *item) for item in _all(context)), key=lambda item: str(item["id"]))
    if given.on("quiet"):
        print("".join(f"{item['id']}\n" for item in found), end="")
    elif given.text("format") == "json":
        print(msgspec.json.encode(found).decode() if found else "null", end="")
    elif given.text("format") == "table":
        _print_table([[name.upper() for name in _COLUMNS],
                      *([str(item[name]) for name in _COLUMNS] for item in found)])
    else:
        raise InvalidInput("invalid format option", "it is table or json")
    return 0


def _all(context: Context) -> Iterator[tuple[State, str]]:
    try:
        names = os.listdir(context.root)
    except FileNotFoundError:
        return
    for name in names:
        try:
            yield context.runtime().state(name)
        except (NotFound, InvalidInput):  # gone meanwhile; the runtime's own directory of filters
            continue
        except SampanError as error:
            context.log.warn(str(error))


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(12, *(len(row[column]) + 3 for row in rows)) for column in range(len(rows[0]))]
    for row in rows:
        print("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def ps(context: Context, given: Given) -> int:
    """Print the container's processes: their pids as JSON, or what ps(1) tells of them."""
    if not given.arguments:
        container_of(given, "ps")
    container = given.arguments[0]
    context.state(container)
    pids = context.runtime().pids(container)
    if given.text("format") == "json":
        print(msgspec.json.encode(pids).decode())
        return 0
    if given.text("format") != "table":
        raise InvalidInput("invalid format option", "it is table or json")
    import subprocess

    done = subprocess.run(["ps", *(given.arguments[1:] or ["-ef"])], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InvalidInput(f"ps failed: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    if "PID" not in lines[0].split():
        raise InvalidInput("cannot find a column PID in what ps prints", "choose options that show it")
    column = lines[0].split().index("PID")
    print(lines[0])
    for line in lines[1:]:
        if int(line.split()[column]) in pids:
            print(line)
    return 0


def events(context: Context, given: Given) -> int:
    """Print what a container uses, as a line of JSON: once."""
    container = container_of(given, "events")
    if not given.on("stats"):
        raise Unsupported("sampan-oci shows no stream of events", "events --stats shows what is used now")
    context.state(container)
    told = context.runtime().stats(container)
    data = {
        "cpu": {"usage": {"total": told.cpu_total, "kernel": told.cpu_system, "user": told.cpu_user}},
        "memory": {"cache": told.memory_cache, "usage": _bounded(usage=told.memory_usage, limit=told.memory_limit),
                   "raw": {"inactive_file": told.memory_inactive_file}},
        "pids": _bounded(current=told.pids_current, limit=told.pids_limit),
        "blkio": {"ioServiceBytesRecursive": [{"op": "Read", "value": told.blkio_read},
                                              {"op": "Write", "value": told.blkio_write}]},
    }
    print(msgspec.json.encode({"type": "stats", "id": container, "data": data}).decode())
    return 0


def _bounded(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}


_FORMAT = Option("format", "table or json", "format", "f", default="table")
COMMANDS = {
    "events": ("<container-id>", (Option("stats", "show what is used now, and end"),), events),
    "list": ("", (_FORMAT, Option("quiet", "ids alone", letter="q")), list_),
    "ps": ("<container-id> [ps options]", (_FORMAT,), ps),
    "state": ("<container-id>", (), state),
}
