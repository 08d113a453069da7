"""Do the same to several objects: one that fails does not keep the others from it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from sampan.errors import SampanError


def complain(error: SampanError) -> None:
    """Print an error as a line on standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"Error: {' '.join(str(error).split())}\n")


def each(names: Iterable[str], action: Callable[[str], object]) -> list[str]:
    """Do it to each, printing what it returns, the name itself for None. Return those that failed, told of already."""
    failed = []
    for name in names:
        try:
            result = action(name)
        except SampanError as error:
            complain(error)
            failed.append(name)
        else:
            sys.stdout.write(f"{name if result is None else result}\n")
            sys.stdout.flush()
    return failed
