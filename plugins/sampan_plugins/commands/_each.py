"""Do the same to several objects: one that fails does not keep the others from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sampan.errors import SampanError

if TYPE_CHECKING:
    from sampan.cli.context import Context


def complain(error: SampanError) -> None:
    """Print an error as a line on standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"Error: {' '.join(str(error).split())}\n")


def each(names: Iterable[str], action: Callable[[str], object]) -> list[str]:
    """Do it to each, printing what it returns, if anything, and the name itself for None.

    Return those that failed, told of already.
    """
    failed = []
    for name in names:
        try:
            result = action(name)
        except SampanError as error:
            complain(error)
            failed.append(name)
        else:
            if result != "":
                sys.stdout.write(f"{name if result is None else result}\n")
                sys.stdout.flush()
    return failed


def each_at_once(context: Context, names: Sequence[str], action: Callable[[str], None]) -> list[str]:
    """Do it to all at the same time, in a process each, so that several that take their time take it together."""
    if len(names) < 2:
        return each(names, action)
    context.close()  # an engine is not to be carried across a fork; the next use opens one anew
    children: dict[int, tuple[str, int]] = {}
    for name in names:
        answer, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            _do(told, name, action)
        os.close(told)
        children[pid] = (name, answer)
    failed = each(map(str, children), lambda pid: _outcome(int(pid), *children[int(pid)]))
    return [children[int(pid)][0] for pid in failed]


def _do(told: int, name: str, action: Callable[[str], None]) -> None:
    """Be the process for one; never returns."""
    code = 1
    try:
        action(name)
        code = 0
    except SampanError as error:
        os.write(told, str(error).encode())
    finally:
        os._exit(code)


def _outcome(pid: int, name: str, answer: int) -> str:
    """Wait for the process; return the name or raise what it told of."""
    with open(answer, "rb") as told:
        text = told.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    if status:
        raise SampanError(text or f"{name}: interrupted")
    return name
