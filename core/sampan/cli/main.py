"""Run the ``sampan`` command: the one place that prints errors and chooses the exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from sampan import __version__

TYPE_CHECKING = False  # importing typing for it would cost --version 5 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

VERSION = f"Sampan version {__version__}"


class Learned:
    """What a command line showed of use for the next: modules its monitors loaded, seconds a standby is to linger.

    ``linger`` is None where the settings were not read.
    """

    def __init__(self) -> None:
        self.loaded: set[str] = set()
        self.linger: int | None = None


def main() -> NoReturn:
    """Run the process's own command line and exit with its code."""
    args = sys.argv[1:]
    if (code := _plain(args)) is not None:
        leave(code)
    from sampan.cli.standby import client

    place = client.call()
    learned = Learned()
    code = carry_out(args, learned)
    leave(code, (lambda: _leave_standby(place, learned)) if place else None)


def leave(code: int, last: Callable[[], None] | None = None) -> NoReturn:
    """Exit as ``sys.exit`` does, but without taking the interpreter apart first, which costs 8 ms.

    Exit functions run and output is flushed, then ``last`` is called. While threads are alive the usual way is taken.
    """
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        sys.exit(code)
    code = settle(code)
    try:
        if last is not None:
            last()
    finally:
        os._exit(code)


def settle(code: int) -> int:
    """Run exit functions and flush the output; return the code to exit with."""
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        code = code or 1  # whoever read it has left, or the disk is full
    return code


def _leave_standby(place: str, learned: Learned) -> None:
    if learned.linger:
        from sampan.cli.standby import starter

        starter.start(place, learned.linger, learned.loaded)


def carry_out(args: list[str], learned: Learned) -> int:
    """Carry out a command line; return the exit code."""
    if (code := _plain(args)) is not None:
        return code
    if args[:1] == ["help"]:
        args = [*args[1:], "--help"]
    gc.set_threshold(20_000)  # importing allocates much and frees nothing: 2 ms of collecting in vain
    from sampan.cli.run import run

    return run(args, learned)


def _plain(args: list[str]) -> int | None:
    """Answer what takes no plugin; None for anything else."""
    if args in (["--version"], ["-v"]):
        return _print(VERSION)
    if args in ([], ["--help"], ["help"]) and "_SAMPAN_COMPLETE" not in os.environ:
        from sampan.cli import overview
        from sampan.plugin import index

        return _print(overview.text(index.load()))
    return None


def _print(text: str) -> int:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            return 141
        sys.stderr.write(f"Error: cannot write to standard output: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    main()
