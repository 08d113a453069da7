"""Run the ``sampan`` command: the one place that prints errors and chooses the exit code."""

from __future__ import annotations

import os
import sys

from sampan import __version__

VERSION = f"Sampan version {__version__}"


def main() -> int:
    """Run the process's own command line and return the exit code."""
    args = sys.argv[1:]
    if args in (["--version"], ["-v"]):
        return _print(VERSION)
    if args in ([], ["--help"], ["help"]) and "_SAMPAN_COMPLETE" not in os.environ:
        from sampan.cli import overview
        from sampan.plugin import index

        return _print(overview.text(index.load()))
    from sampan.cli.run import run

    return run(args)


def _print(text: str) -> int:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
