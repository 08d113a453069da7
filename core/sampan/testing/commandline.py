"""Run command lines in processes of their own, on a store of the test's, and see what they print and exit with."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from sampan.cli.context import Context
from sampan.plugin.manager import Plugins
from sampan.testing.forking import forked

_PATIENCE = 20.0  # seconds until a command counts as one that does not end


class Done(msgspec.Struct, frozen=True):
    """What came of a command line. ``ended`` is False when it had to be killed."""

    code: int
    out: str
    err: str
    ended: bool = True


class Sampan:
    """Runs command lines with roots below ``where``, which are not there until a command makes them."""

    def __init__(self, where: Path) -> None:
        self.root = where / "root"
        self.run_root = where / "run"
        self._where = where

    @property
    def flags(self) -> list[str]:
        """The flags that lead to the store."""
        return [f"--root={self.root}", f"--run-root={self.run_root}"]

    def break_store(self) -> None:
        """Put files where the store's directories should be."""
        for path in (self.root, self.run_root):
            path.write_text("no directory")

    def run(self, *words: str, unread: bool = False) -> Done:
        """Run a command line to its end, without input; ``unread``: whoever read its output has left."""
        out, err = self._where / "out", self._where / "err"

        def work() -> None:
            atexit._clear()  # what the test runner wants done at its end
            _redirect(out, err, unread)
            from sampan.cli.main import settle
            from sampan.cli.run import run

            os._exit(settle(run([*self.flags, *words])))

        code = _code_of(forked(work))
        ended = code is not None
        return Done(-1 if code is None else code, out.read_text(), err.read_text(), ended)

    @contextmanager
    def context(self, plugins: Plugins, command: click.Command) -> Iterator[click.Context]:
        """Give a context in which the command's words are completed."""
        context = Context(plugins)
        with command.make_context("sampan", [], obj=context, resilient_parsing=True) as ctx:
            try:
                yield ctx
            finally:
                context.close()


def _redirect(out: Path, err: Path, unread: bool) -> None:
    """Give the process streams of its own in place of the test runner's."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    if unread:
        read, write = os.pipe()
        os.dup2(write, 1)
        os.close(write)
        os.close(read)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115  # the process's own


def _code_of(child: int) -> int | None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.002)
