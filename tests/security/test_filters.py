"""The system call filters of Docker's containers and of Sampan's, compared call by call: nothing more is let through.

The hole that this closes is a call, in one of the machine's three interfaces, that nobody thought of probing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.core.engine.containers import Bench, image_tar
from tests.security import filters
from tests.security.filters import I386, X32, X86_64
from tests.services.docker import Docker

IMAGE = "security-filters:1"
_NUMBERS = (*range(480), *range(512, 550), 1000, 100000)
_SPECIAL = (1, 2, 8, 16, 38, 40, 999, 0x80, 0x20000, 0x20008, 0x40000, 0x10000000, 0x02000000, 0x7E020000, 0xFFFFFFFF)
_ARGUMENTS = ((0, 0), *((one, 0) for one in _SPECIAL), (0, 0x10000000), (0, 0x5412))

# What later versions of Docker let through, and that of Debian does not: reading the memory of one's own processes,
# memory protection keys, and calls that Linux has had since 6.5 (by their numbers on x86-64, and i386's).
_LATER = {
    *(310, 311, 329, 330, 331), *(X32 | number for number in (329, 330, 331, 539, 540)),
    *range(451, 457), *(X32 | number for number in range(451, 457)),
}  # fmt: skip
_LATER_I386 = {347, 348, 380, 381, 382, *range(451, 457)}
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "default": ((), {}),
    "an administrator": (("--cap-add", "SYS_ADMIN"), {"cap_add": ("SYS_ADMIN",)}),
    "no capabilities": (("--cap-drop", "ALL"), {"cap_drop": ("ALL",)}),
}


@pytest.fixture(scope="module")
def image(docker: Docker) -> Iterator[str]:
    docker.run("import", "-", IMAGE, stdin=image_tar())
    yield IMAGE
    docker.run("rmi", IMAGE)


@pytest.mark.parametrize("case", CASES)
def test_no_call_more_is_let_through(docker: Docker, image: str, bench: Bench, case: str) -> None:
    flags, spec = CASES[case]
    container = docker.run("run", "-d", "--net=none", *flags, image, "sleep", "1000")
    try:
        theirs = filters.of_process(int(docker.run("inspect", "-f", "{{.State.Pid}}", container)))
    finally:
        docker.run("rm", "-f", container)
    ours = filters.of_process(bench.start("sleep", "1000", **spec).pid)
    assert len(theirs) == len(ours) == 1
    assert [call for call in _calls() if _is_let_through_by_ours_alone(ours, theirs, *call)] == []


def _is_let_through_by_ours_alone(
    ours: list[filters.Program], theirs: list[filters.Program], architecture: int, number: int
) -> bool:
    for pair in _ARGUMENTS:
        our, their = (filters.verdict(one, architecture, number, (*pair, 0, 0, 0, 0)) for one in (ours, theirs))
        if our.allowed and not their.allowed:
            return True
        if not (our.looked or their.looked):
            return False
    return False


def _calls() -> Iterator[tuple[int, int]]:
    for architecture, base, later in ((X86_64, 0, _LATER), (X86_64, X32, _LATER), (I386, 0, _LATER_I386)):
        yield from ((architecture, base | number) for number in _NUMBERS if base | number not in later)
