"""Run the ``sampan`` command: the one place that prints errors and chooses the exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from sampan import __version__

TYPE_CHECKING = False  # importing typing for it would cost --version 5 ms
if TYPE_CHECKING:
    from typing import NoReturn

VERSION = f"Sampan version {__version__}"


def main() -> NoReturn:
    """Run the process's own command line and exit with its code."""
    leave(_main(sys.argv[1:]))


def leave(code: int) -> NoReturn:
    """Exit as ``sys.exit`` does, but without taking the interpreter apart first, which costs 8 ms.

    Exit functions run and output is flushed. While threads are alive the usual way is taken.
    """
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1  # whoever read it has left, or the disk is full
    os._exit(code)


def _main(args: list[str]) -> int:
    if args in (["--version"], ["-v"]):
        return _print(VERSION)
    if args in ([], ["--help"], ["help"]) and "_SAMPAN_COMPLETE" not in os.environ:
        from sampan.cli import overview
        from sampan.plugin import index

        return _print(overview.text(index.load()))
    gc.set_threshold(20_000)  # importing allocates much and frees nothing: 2 ms of collecting in vain
    from sampan.cli.run import run

    return run(args)


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
