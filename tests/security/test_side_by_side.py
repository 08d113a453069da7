"""Docker's containers and Sampan's, asked the same by one probe: in no line may Sampan's be the weaker.

The hole that this closes has no name: it is whatever one engine forgets to confine that the other does not, in a first
process, in one that joins, in a health check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.engine.containers import Bench, image_tar
from tests.security.probe import parse, weaknesses
from tests.security.ways import by_run
from tests.services.docker import Docker

from sampan.model.container import Volume

IMAGE = "security-probe:1"
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "default": ((), {}),
    "user": (("--user", "1000:100"), {"user": "1000:100"}),
    "no capabilities": (("--cap-drop", "ALL"), {"cap_drop": ("ALL",)}),
    "an administrator": (("--cap-add", "SYS_ADMIN"), {"cap_add": ("SYS_ADMIN",)}),
    "no new privileges": (("--security-opt", "no-new-privileges"), {"security_options": ("no-new-privileges",)}),
    "read-only": (("--read-only",), {"read_only": True}),
}


@pytest.fixture(scope="module")
def image(docker: Docker) -> Iterator[str]:
    docker.run("import", "-", IMAGE, stdin=image_tar())
    yield IMAGE
    docker.run("rmi", IMAGE)


@pytest.mark.parametrize("case", CASES)
def test_no_weaker_than_docker(docker: Docker, image: str, bench: Bench, probe: Path, case: str) -> None:
    flags, spec = CASES[case]
    words = ("--net=none", "--tmpfs", "/tmp", "-v", f"{probe}:/program:ro", *flags, image, "/program")
    theirs = parse(docker.run("run", "--rm", *words))
    assert weaknesses(parse(by_run(bench, probe, Volume(kind="tmpfs", target="/tmp"), **spec)), theirs) == []


def test_every_way_in_is_confined_alike(bench: Bench, probe: Path, way: Callable[..., str]) -> None:
    first = parse(by_run(bench, probe))
    told = parse(way(bench, probe))
    assert weaknesses(told, first) == [] == weaknesses(first, told)
    assert told["status"]["Seccomp"] == "2" and told["value"]["umask"] == "0022"
    assert told["descriptor"] == {}


def test_the_probe_knows_less_confinement_when_it_sees_it(bench: Bench, probe: Path) -> None:
    weaker = parse(by_run(bench, probe, privileged=True))
    found = weaknesses(weaker, parse(by_run(bench, probe)))
    assert {"Seccomp is 0, not 2", "/sys is not ro", "/proc/sys/kernel/core_pattern is writable"} <= set(found)
    assert any(line.startswith("call mount ") for line in found) and any(line.startswith("CapEff") for line in found)
