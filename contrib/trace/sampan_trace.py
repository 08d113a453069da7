"""Time every call of every driver, and print at the end of the command which took how long, and within which.

``SAMPAN_TRACE=1`` prints to standard error, ``SAMPAN_TRACE=FILE`` appends to a file. A command forks: each process adds
its calls as lines to one temporary file, which the command reads at its end. What a container's monitor does after that
is not seen.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from functools import wraps
from types import FunctionType, GeneratorType
from typing import Any

from sampan import hookimpl

_SEPARATOR = ";"  # as in the folded stacks of flame graphs
_within: ContextVar[str] = ContextVar("within", default="")


class Trace:
    """The calls of one command."""

    def __init__(self) -> None:
        self._owner = 0
        self.spool = ""
        self._command = ""

    def begin(self, command: str) -> None:
        """Begin with a command, if it is to be traced."""
        self.spool = ""
        if os.environ.get("SAMPAN_TRACE"):
            import tempfile  # here, for every command imports its extensions

            self._owner, self._command = os.getpid(), f"sampan {command.replace('.', ' ')}"
            handle, self.spool = tempfile.mkstemp(prefix="sampan-trace-")
            os.close(handle)
            atexit.register(self.end)

    def watch(self, driver: Any, label: str, only: str = "") -> Any:
        """Have the public methods of an object timed, or one of them, and return it."""
        kind = type(driver)
        if not self.spool or getattr(kind, "_sampan_traced", False):
            return driver
        names = [only] if only else [name for name in dir(kind) if not name.startswith("_")]
        methods = {name: self._timed(getattr(kind, name), f"{label} {name}".removesuffix(f" {only}"))
                   for name in names if isinstance(getattr(kind, name), FunctionType)}  # fmt: skip
        try:
            driver.__class__ = type(kind)(
                kind.__name__, (kind,), {**methods, "__slots__": (), "_sampan_traced": True, "__module__": __name__}
            )
        except TypeError:
            pass  # an object of a kind that cannot be changed: its calls are not seen
        return driver

    def _timed(self, method: Callable[..., Any], label: str) -> Callable[..., Any]:
        @wraps(method)
        def call(*words: Any, **named: Any) -> Any:
            with self._span(label) as path:
                result = method(*words, **named)
            return self._lazy(result, label, path)

        return call

    def _lazy(self, result: Any, label: str, path: str) -> Any:
        """Time what a result does when it is used: a generator, a context manager."""
        if isinstance(result, GeneratorType):
            return self._drawn(result, path)
        if isinstance(result, AbstractContextManager) and hasattr(result, "gen"):  # made by @contextmanager
            return self._entered(result, label, path)
        return result

    def _drawn(self, items: Generator[Any, None, None], path: str) -> Iterator[Any]:
        spent = 0
        try:
            while True:
                began = time.perf_counter_ns()
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    spent += time.perf_counter_ns() - began
                yield item
        finally:
            items.close()
            self._note(path, spent, 0)

    @contextmanager
    def _entered(self, manager: AbstractContextManager[Any], label: str, path: str) -> Iterator[Any]:
        with ExitStack() as stack:
            began = time.perf_counter_ns()
            value = stack.enter_context(manager)
            self._note(path, time.perf_counter_ns() - began, 0)
            yield self._lazy(value, label, path)

    @contextmanager
    def _span(self, label: str) -> Iterator[str]:
        path = f"{_within.get() or self._command}{_SEPARATOR}{label}" if label != self._command else label
        token, began = _within.set(path), time.perf_counter_ns()
        try:
            yield path
        finally:
            _within.reset(token)
            self._note(path, time.perf_counter_ns() - began, 1)

    def _note(self, path: str, spent: int, calls: int) -> None:
        try:
            handle = os.open(self.spool, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # the command is over
        os.write(handle, f"{spent} {calls} {path}\n".encode())  # one write: lines of several processes stay whole
        os.close(handle)

    def end(self) -> None:
        """Print, in the process that began."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.end)
        with open(self.spool) as file:
            text = summary(file)
        os.unlink(self.spool)
        wanted = os.environ["SAMPAN_TRACE"]
        if wanted in ("1", "-"):
            sys.stderr.write(text)
        else:
            with open(wanted, "a") as file:
                file.write(text)


def summary(lines: Iterator[str]) -> str:
    """Return the calls as an indented tree, the costliest first: milliseconds, how many, what."""
    spent: dict[str, float] = {}
    calls: dict[str, int] = {}
    for line in lines:
        nanoseconds, count, path = line.rstrip("\n").split(" ", 2)
        steps = path.split(_SEPARATOR)
        for depth in range(1, len(steps)):  # one that has not ended, or was killed, is shown all the same
            spent.setdefault(_SEPARATOR.join(steps[:depth]), 0)
        spent[path] = spent.get(path, 0) + int(nanoseconds) / 1e6
        calls[path] = calls.get(path, 0) + int(count)

    def shown(parent: str, depth: int) -> Iterator[str]:
        below = [path for path in spent if path.rpartition(_SEPARATOR)[0] == parent]
        for path in sorted(below, key=lambda one: -spent[one]):
            yield f"{spent[path]:10.1f} ms {calls.get(path, 0):6}  {'  ' * depth}{path.rpartition(_SEPARATOR)[2]}\n"
            yield from shown(path, depth + 1)

    return "".join(shown("", 0))


_trace = Trace()


@hookimpl(wrapper=True)
def sampan_open_command(name: str) -> Generator[None, Any, Any]:
    """Begin, and time the command as a whole."""
    command = yield
    _trace.begin(name)
    return _trace.watch(command, f"sampan {name.replace('.', ' ')}", "invoke")


def _watching(slot: str) -> Callable[..., Any]:
    @hookimpl(wrapper=True)
    def opened(name: str) -> Generator[None, Any, Any]:
        driver = yield
        return _trace.watch(driver, f"{slot}/{name}")

    return opened


sampan_open_storage = _watching("storage")
sampan_open_network = _watching("network")
sampan_open_registry = _watching("registries")
sampan_open_format = _watching("formats")
sampan_open_runtime = _watching("runtimes")
sampan_open_logs = _watching("logs")
sampan_open_volumes = _watching("volumes")
