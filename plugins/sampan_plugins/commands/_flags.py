"""Declare the flags that ``run`` and ``create`` share, and refuse those that come later by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from sampan.errors import InvalidInput

_F = TypeVar("_F", bound=Callable[..., Any])


class Parsed(click.ParamType[Any]):
    """A parameter type made of a function that raises InvalidInput."""

    def __init__(self, name: str, parser: Callable[[str], Any]) -> None:
        self.name = name
        self._parser = parser

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the function makes of the words."""
        if not isinstance(value, str):
            return value
        try:
            return self._parser(value)
        except InvalidInput as error:
            self.fail(error.message, param, ctx)


def integer(text: str) -> int:
    """Return a whole number. Raises InvalidInput in Go's words."""
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _memory(text: str) -> int:
    from sampan.cli.units import parse_memory

    return parse_memory(text)


def _duration(text: str) -> int:
    from sampan.cli.units import parse_duration

    return parse_duration(text)


def _swap(text: str) -> int:
    return -1 if text == "-1" else _memory(text)


def _checked(check: str) -> Callable[[str], Any]:
    """Return a parser that loads the module of checks when there is something to check."""

    def parse(text: str) -> Any:
        from sampan_plugins.commands import _checks

        return getattr(_checks, check)(text)

    return parse


_TEXT = Parsed("string", str)
_INT = Parsed("int", integer)
_BYTES = Parsed("bytes", _memory)
_KINDS: dict[str, Any] = {"string": _TEXT, "list": _TEXT, "int": _INT, "bytes": _BYTES}
_CHECKED = (
    "env", "label", "stream", "host", "address", "domain", "sysctl", "annotation", "ulimit", "mount", "cpus", "uint16",
    "weight", "bps", "iops", "rule", "gpus", "swappiness",
)  # fmt: skip
for _name in _CHECKED:
    _KINDS[_name] = Parsed(_name, _checked(_name))
_KINDS["duration"] = Parsed("duration", _duration)
_KINDS["swap"] = Parsed("bytes", _swap)

# Flag, kind (empty: a switch; with a star: may be repeated), what it does.
_SHARED = (
    ("--add-host", "host*", "Add a line to /etc/hosts (HOST:IP)"),
    ("--annotation", "annotation*", "Hand an annotation to the OCI runtime"),
    ("--attach -a", "stream*", "Attach to stdin, stdout or stderr"),
    ("--blkio-weight", "uint16", "Weight of block I/O relative to other containers (10 to 1000)"),
    ("--blkio-weight-device", "weight*", "Weight of block I/O on one device (DEVICE:WEIGHT)"),
    ("--cap-add", "string*", "Add a Linux capability"),
    ("--cap-drop", "string*", "Drop a Linux capability"),
    ("--cgroup-parent", "string", "Control group that the container's own is in"),
    ("--cgroupns", "string", 'Cgroup namespace to use ("host", "private")'),
    ("--cidfile", "string", "Write the container's id to this file"),
    ("--cpu-period", "int", "Length of a CPU period in microseconds"),
    ("--cpu-quota", "int", "CPU time per period in microseconds"),
    ("--cpu-rt-period", "int", "Length of a real-time CPU period in microseconds"),
    ("--cpu-rt-runtime", "int", "Real-time CPU time per period in microseconds"),
    ("--cpu-shares -c", "int", "CPU weight relative to other containers"),
    ("--cpus", "cpus", "Number of CPUs, such as 1.5"),
    ("--cpuset-cpus", "string", "CPUs to run on (0-3, 0,1)"),
    ("--cpuset-mems", "string", "Memory nodes to use (0-3, 0,1)"),
    ("--device", "string*", "Add a device of the host"),
    ("--device-cgroup-rule", "rule*", "Allow devices by number ('c 1:3 rwm')"),
    ("--device-read-bps", "bps*", "Limit bytes read per second (DEVICE:RATE)"),
    ("--device-read-iops", "iops*", "Limit reads per second (DEVICE:RATE)"),
    ("--device-write-bps", "bps*", "Limit bytes written per second (DEVICE:RATE)"),
    ("--device-write-iops", "iops*", "Limit writes per second (DEVICE:RATE)"),
    ("--dns", "address*", "Ask this DNS server"),
    ("--dns-opt", "string*", ""),
    ("--dns-option", "string*", "Set a DNS option"),
    ("--dns-search", "domain*", "Search this DNS domain"),
    ("--domainname", "string", "Container's NIS domain name"),
    ("--entrypoint", "string", "Run this instead of the image's ENTRYPOINT"),
    ("--env -e", "env*", "Set an environment variable"),
    ("--env-file", "string*", "Read environment variables from a file"),
    ("--expose", "string*", "Note a port, or a range of them, that the container listens on"),
    ("--gpus", "gpus", ""),
    ("--group-add", "string*", "Join one more group"),
    ("--health-cmd", "string", "Command that tells whether the container is well"),
    ("--health-interval", "duration", "Time between checks (ms|s|m|h) (default 30s)"),
    ("--health-retries", "int", "Failures in a row that make it unhealthy"),
    ("--health-start-interval", "duration", "Time between checks while it starts (ms|s|m|h) (default 5s)"),
    ("--health-start-period", "duration", "Time it has to start before failures count (ms|s|m|h)"),
    ("--health-timeout", "duration", "Time one check may take (ms|s|m|h) (default 30s)"),
    ("--hostname -h", "string", "Container's host name"),
    ("--init", "", "Run a minimal process 1 that passes on signals and reaps processes"),
    ("--interactive -i", "", "Keep stdin open even if not attached"),
    ("--ip", "string", "IPv4 address (such as 172.30.100.104)"),
    ("--ip6", "string", "IPv6 address (such as 2001:db8::33)"),
    ("--ipc", "string", "IPC mode to use"),
    ("--kernel-memory", "bytes", ""),
    ("--label -l", "label*", "Set a label"),
    ("--label-file", "string*", "Read labels from a file"),
    ("--link", "string*", "Find another container by one more name (CONTAINER[:ALIAS])"),
    ("--link-local-ip", "string*", "Give the container a link-local address too"),
    ("--log-driver", "string", "Log driver of the container"),
    ("--log-opt", "string*", "Option of the log driver"),
    ("--mac-address", "string", "MAC address (such as 92:d0:c6:0a:29:33)"),
    ("--memory -m", "bytes", "Memory limit"),
    ("--memory-reservation", "bytes", "Memory soft limit"),
    ("--memory-swap", "swap", "Limit of memory and swap together: '-1' for unlimited swap"),
    ("--memory-swappiness", "swappiness", "How readily the container's memory is swapped out (0 to 100)"),
    ("--mount", "mount*", "Mount a file system into the container"),
    ("--name", "string", "Name the container"),
    ("--net", "string*", ""),
    ("--net-alias", "string*", ""),
    ("--network", "string*", "Connect the container to a network"),
    ("--network-alias", "string*", "Another name of the container on its network"),
    ("--no-healthcheck", "", "Do not run the image's health check"),
    ("--oom-kill-disable", "", "Have the container wait instead of killing when its memory is used up"),
    ("--oom-score-adj", "int", "Readiness of the host to kill the container when out of memory (-1000 to 1000)"),
    ("--pid", "string", "PID namespace to use"),
    ("--pids-limit", "int", "Limit of processes (-1 for unlimited)"),
    ("--platform", "string", "Platform, where the image has several"),
    ("--privileged", "", "Give the container all privileges"),
    ("--publish -p", "string*", "Have a port of the host lead to one of the container"),
    ("--publish-all -P", "", "Have free ports of the host lead to all that are exposed"),
    ("--pull", "string", 'Pull the image first ("always", "missing", "never")'),
    ("--quiet -q", "", "Do not show the progress of a pull"),
    ("--read-only", "", "Mount the root file system read-only"),
    ("--restart", "string", 'Start again when it ends ("no", "on-failure[:N]", "always", "unless-stopped")'),
    ("--rm", "", "Remove the container when it ends"),
    ("--runtime", "string", "Runtime of the container"),
    ("--security-opt", "string*", "Security option"),
    ("--shm-size", "bytes", "Size of /dev/shm"),
    ("--stop-signal", "string", "Signal that asks the container to end"),
    ("--stop-timeout", "int", "Seconds to wait for that before it is killed"),
    ("--storage-driver", "string", "Storage driver of the container"),
    ("--storage-opt", "string*", ""),
    ("--sysctl", "sysctl*", "Set a kernel parameter of the container's namespaces"),
    ("--tmpfs", "string*", "Mount a tmpfs"),
    ("--tty -t", "", "Give the container a terminal"),
    ("--ulimit", "ulimit*", "Set a resource limit (NAME=SOFT[:HARD])"),
    ("--use-api-socket", "", ""),
    ("--user -u", "string", "User, and group, by name or id (USER[:GROUP])"),
    ("--userns", "string", 'User namespace to use ("host")'),
    ("--uts", "string", "UTS namespace to use"),
    ("--volume -v", "string*", "Mount a volume, or a directory or file of the host"),
    ("--volume-driver", "string", "Volume driver of volumes that are made for the container"),
    ("--volumes-from", "string*", "Mount what another container mounts (CONTAINER[:ro])"),
    ("--workdir -w", "string", "Working directory in the container"),
)
_CHANGEABLE = frozenset((
    "--blkio-weight", "--cpu-period", "--cpu-quota", "--cpu-rt-period", "--cpu-rt-runtime", "--cpu-shares", "--cpus",
    "--cpuset-cpus", "--cpuset-mems", "--memory", "--memory-reservation", "--memory-swap", "--pids-limit", "--restart",
))  # fmt: skip
_METAVARS = {"swap": "bytes", "cpus": "decimal", "swappiness": "int"}


def creation_flags(function: _F) -> _F:
    """Decorate a function with the flags of a new container, which it gets as keyword arguments."""
    for names, kind, summary in reversed(_SHARED):
        function = _option(names, kind, summary)(function)
    return function


def update_flags(function: _F) -> _F:
    """Decorate a function with the flags of ``update``: those of a new container that may be changed later."""
    for names, kind, summary in reversed(_SHARED):
        if names.split()[0] in _CHANGEABLE:
            function = _option(names, kind, summary)(function)
    return function


def unicode(value: Any) -> Any:
    """Return a value, or all in a tuple, with bytes that are no UTF-8 replaced, as everywhere else JSON carries it."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="surrogateescape").decode(errors="replace")
    return tuple(map(unicode, value)) if type(value) is tuple else value


def _option(names: str, kind: str, summary: str) -> Callable[[_F], _F]:
    words = names.split()
    hidden = not summary
    parameter = words[0][2:].replace("-", "_")
    if not kind:
        return click.option(*words, parameter, is_flag=True, help=summary, hidden=hidden)
    repeated = kind.endswith("*")
    kind = kind.rstrip("*")
    metavar = "list" if repeated else _METAVARS.get(kind, kind)
    return click.option(
        *words, parameter, type=_KINDS[kind], multiple=repeated, metavar=metavar, help=summary, hidden=hidden
    )


ENVIRONMENT = _KINDS["env"]
"""The type of ``-e``."""

LABEL = _KINDS["label"]
"""The type of ``--label``."""


def _filter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput("bad format of filter (expected name=value)")
    return key.strip().lower(), value.strip()


FILTER = Parsed("filter", _filter)
"""The type of ``--filter``: a name and a value."""

STRINGS = Parsed("strings", lambda text: tuple(text.split(",")))
"""The type of a flag that takes several values with commas between them, and may be repeated."""


def joined(values: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all values of a flag of the type STRINGS."""
    return tuple(value for several in values for value in several)
