"""Hold what every command of ``sampan-oci`` needs: where the state is, where messages go, and the runtime."""

from __future__ import annotations

import os

import msgspec

from sampan.contracts.runtime import Stdio
from sampan.errors import InvalidInput, NotFound
from sampan_plugins.runtimes.native.cli.log import Log
from sampan_plugins.runtimes.native.cli.options import Given, Option
from sampan_plugins.runtimes.native.driver import NativeRuntime
from sampan_plugins.runtimes.native.manner import Manner
from sampan_plugins.runtimes.native.state import State
from sampan_plugins.runtimes.native.trampoline import MOST_KEPT

STREAMS = Stdio(0, 1, 2)
PID_FILE = Option("pid-file", "the file to write the process id to", "path")
CONSOLE_SOCKET = Option("console-socket", "the Unix socket to send the terminal's master to", "path")
PRESERVE_FDS = Option("preserve-fds", "how many more descriptors, after those of $LISTEN_FDS, the process gets", "n")


class Context(msgspec.Struct, frozen=True):
    """The global options, understood."""

    root: str
    log: Log

    def runtime(self, *, preserved: int = 0, keyring: bool = True) -> NativeRuntime:
        """Return the runtime, whose containers outlive the command."""
        manner = Manner(bound=False, preserved=preserved, keyring=keyring, warn=self.log.warn)
        return NativeRuntime(self.root, {}, manner)

    def state(self, container: str) -> tuple[State, str]:
        """Return a container's state and status. Raises NotFound in runc's words, which its users look for."""
        try:
            return self.runtime().state(container)
        except NotFound:
            raise NotFound("container does not exist") from None


def container_of(given: Given, command: str, *, most: int = 1) -> str:
    """Return the first argument, of at most so many. Raises InvalidInput."""
    if not given.arguments:
        raise InvalidInput(f'"{command}" requires a container id', f"see sampan-oci {command} --help")
    if len(given.arguments) > most:
        raise InvalidInput(f'"{command}" takes at most {most} argument(s)', f"see sampan-oci {command} --help")
    return given.arguments[0]


def preserved(given: Given) -> int:
    """Return how many of the command's descriptors from 3 on the process is to get. Raises InvalidInput."""
    listening = os.environ.get("LISTEN_FDS", "0")
    count = (given.number("preserve-fds") or 0) + (int(listening) if listening.isdigit() else 0)
    if not 0 <= count <= MOST_KEPT:
        raise InvalidInput(f"cannot preserve {count} descriptors", f"at most {MOST_KEPT} can be")
    for fd in range(3, 3 + count):
        try:
            os.fstat(fd)
        except OSError:
            raise InvalidInput(f"cannot preserve descriptor {fd}: it is not open",
                               "open it, or lower --preserve-fds or $LISTEN_FDS") from None
    return count


def write_pid(path: str, pid: int) -> None:
    """Write a pid file, whole from its first moment. Raises InvalidInput."""
    directory, name = os.path.split(os.path.abspath(path))
    partial = f"{directory}/.{name}.{os.getpid()}"
    try:
        with open(partial, "w", encoding="ascii") as file:
            file.write(str(pid))
        os.rename(partial, path)
    except OSError as error:
        raise InvalidInput(f"cannot write the pid file {path}: {(error.strerror or '').lower()}") from error
