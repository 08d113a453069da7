"""CVE-2016-8867 and CVE-2022-36109: a user other than root had ambient capabilities, or could shed a group.

Capabilities that are ambient survive execution without any right to them. And a group that is the process's own alone,
not among the additional ones, is lost in a setgid program, and with it whatever is denied to the group.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.core.engine.containers import Bench
from tests.security.probe import parse


def test_a_user_has_no_capabilities(bench: Bench, probe: Path, way: Callable[..., str]) -> None:
    status = parse(way(bench, probe, user="1000:44", cap_add=("NET_ADMIN",)))["status"]
    assert {int(status[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Amb")} == {0}
    assert status["Groups"].split() == ["44"]
    assert status["Gid"].split() == ["44"] * 4
