"""Do one thing in a forked child, side by side with the caller."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from sampan.engine import wire
from sampan.errors import SampanError
from sampan.kernel import processes

_T = TypeVar("_T")


class _Answer(msgspec.Struct, array_like=True):
    """A value, and the modules it took."""

    value: Any
    loaded: list[str]


class Worker:
    """A child that computes one value. It dies with its parent.

    ``prepare`` runs in the child first, to let go of what a fork must not share. ``loaded`` names the modules that the
    work imported, once its value is there.
    """

    def __init__(self, work: Callable[[], Any], prepare: Callable[[], None]) -> None:
        self.loaded: list[str] = []
        self._reader, writer = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _labour(work, prepare, writer, parent)
        os.close(writer)

    def result(self, kind: type[_T]) -> _T:
        """Wait for the value. Raises the error that the work raised."""
        with open(self._reader, "rb", closefd=False) as file:
            answer = file.read()
        self._reap()
        if not answer:
            raise SampanError("a worker process was killed")
        if answer[:1] == b"-":
            raise wire.error(answer[1:])
        told = msgspec.json.decode(answer[1:], type=_Answer)
        self.loaded = told.loaded
        return msgspec.convert(told.value, kind)

    def close(self) -> None:
        """End the child if its value was not waited for."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._reap()
        os.close(self._reader)

    def _reap(self) -> None:
        os.waitpid(self._pid, 0)
        self._pid = 0


def _labour(work: Callable[[], Any], prepare: Callable[[], None], writer: int, parent: int) -> None:
    try:
        processes.die_with_parent()
        if os.getppid() != parent:
            return  # it ended before the kernel was told to take us along
        prepare()
        known = set(sys.modules)
        try:
            value = work()
            answer = b"+" + msgspec.json.encode(_Answer(value, [*(sys.modules.keys() - known)]))
        except BaseException as error:
            answer = b"-" + wire.failure(error)
        with open(writer, "wb") as file:
            file.write(answer)
    finally:
        os._exit(0)
