"""Run the ``sampan-oci`` command: the native runtime for those who speak runc's command line."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing typing for it would cost each run 5 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from sampan.errors import SampanError
    from sampan_plugins.runtimes.native.cli.context import Context
    from sampan_plugins.runtimes.native.cli.log import Log
    from sampan_plugins.runtimes.native.cli.options import Given, Option

ROOT = "/run/sampan-oci"
# Command: the module it is in, and its summary.
COMMANDS = {
    "create": ("lifecycle", "create a container"),
    "delete": ("lifecycle", "delete what is held by a container that has ended"),
    "events": ("inspection", "show what a container uses of the machine"),
    "exec": ("joining", "run another process inside a container"),
    "features": ("features", "show what this runtime can do"),
    "kill": ("lifecycle", "send a signal to a container's first process"),
    "list": ("inspection", "list the containers with the given root"),
    "pause": ("lifecycle", "freeze all processes of a container"),
    "ps": ("inspection", "show the processes of a container"),
    "resume": ("lifecycle", "let the frozen processes of a container run on"),
    "run": ("lifecycle", "create and start a container, and wait for it to end"),
    "spec": ("specification", "write a config.json to begin with"),
    "start": ("lifecycle", "run the command of a container that has been created"),
    "state": ("inspection", "show the state of a container"),
    "update": ("updates", "change the limits of a container"),
}
_EXEC_FAILED, _NO_SUCH_COMMAND = 255, 3


def main() -> NoReturn:
    """Run the process's own command line and exit with its code."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)  # taking the interpreter apart first would cost 8 ms


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, of which it takes only what typing has as well: it costs 12 ms."""
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # how the import system is told: not there
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def run(words: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    _import_msgspec()
    from sampan.errors import SampanError
    from sampan_plugins.runtimes.native.cli.log import Log

    log = Log()
    name = ""
    debug = False
    try:
        given = _globals(words)
        debug = given.on("debug")
        log = Log(given.text("log"), given.text("log-format"), debug=debug)
        if given.on("version"):
            return _print_version()
        name = given.arguments[0] if given.arguments else "help"
        if name in ("help", "h") or given.on("help"):
            return _print_help()
        if name not in COMMANDS:
            log.error(f"No help topic for '{name}'")
            return _NO_SUCH_COMMAND
        _refuse(given)
        return _carry_out(name, given, log)
    except SampanError as error:
        log.error(_told(error))
    except KeyboardInterrupt:
        log.error("interrupted")
    except Exception as error:
        if debug:
            raise
        log.error(f"{name} failed: {type(error).__name__}: {error}")
    return _EXEC_FAILED if name == "exec" else 1


def _told(error: SampanError) -> str:
    """Return the message; engines know by these words of runc's that it is the command that is at fault."""
    from sampan.errors import CommandNotExecutable

    known = "permission denied"
    return f"{error}: {known}" if isinstance(error, CommandNotExecutable) and known not in str(error) else str(error)


def _global_options() -> Sequence[Option]:
    from sampan_plugins.runtimes.native.cli.options import Option

    return (
        Option("debug", "tell more, and show where it failed"),
        Option("log", "the file to add messages to, standard error by default", "path"),
        Option("log-format", "how: text or json", "format", default="text"),
        Option("root", "the directory of the containers' state", "path", default=ROOT),
        Option("systemd-cgroup", "not supported: control groups are made in the file system"),
        Option("rootless", "ignored: what needs root fails without", "value", default="auto"),
        Option("criu", "ignored: there are no checkpoints", "path"),
        Option("help", "show help", letter="h"),
        Option("version", "show the version", letter="v"),
    )


def _globals(words: Sequence[str]) -> Given:
    from sampan_plugins.runtimes.native.cli.options import parse

    return parse(_global_options(), words)


def _refuse(given: Given) -> None:
    from sampan.errors import Unsupported

    if given.on("systemd-cgroup"):
        raise Unsupported("sampan-oci does not have systemd make control groups",
                          "use the cgroupfs manager: podman --cgroup-manager cgroupfs, "
                          "dockerd --exec-opt native.cgroupdriver=cgroupfs")


def _carry_out(name: str, given: Given, log: Log) -> int:
    from importlib import import_module

    from sampan_plugins.runtimes.native.cli.context import Context
    from sampan_plugins.runtimes.native.cli.options import Option, described, parse

    module = import_module(f"sampan_plugins.runtimes.native.cli.{COMMANDS[name][0]}")
    usage, options, command = module.COMMANDS[name]
    own = parse((*options, Option("help", "show help", letter="h")), given.arguments[1:])
    if own.on("help"):
        print(f"NAME:\n   sampan-oci {name} - {COMMANDS[name][1]}\n\n"
              f"USAGE:\n   sampan-oci {name} [command options] {usage}\n\nOPTIONS:\n{described(options)}", end="")
        return 0
    carry_out: Callable[[Context, Given], int] = command
    return carry_out(Context(os.path.abspath(given.text("root")), log), own)


def _print_version() -> int:
    from sampan import __version__
    from sampan_plugins.runtimes.native.state import VERSION

    print(f"sampan-oci version {__version__}\nspec: {VERSION}\npython: {sys.version.partition(' ')[0]}")
    return 0


def _print_help() -> int:
    from sampan_plugins.runtimes.native.cli.options import described

    commands = "".join(f"   {name:8}  {summary}\n" for name, (_, summary) in COMMANDS.items())
    print("NAME:\n   sampan-oci - Sampan's own container runtime, with runc's command line\n\n"
          "USAGE:\n   sampan-oci [global options] command [command options] [arguments...]\n\n"
          f"COMMANDS:\n{commands}\nGLOBAL OPTIONS:\n{described(_global_options())}", end="")
    return 0
