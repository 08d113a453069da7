"""CVE-2020-15257: containers on the host's network reached sockets of the engine in its abstract namespace.

Abstract names belong to the network namespace. Ours are files, below a directory that is root's alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tests.core.engine.containers import Bench


def test_no_socket_of_ours_is_abstract(bench: Bench) -> None:
    before = _abstract(Path("/proc/net/unix").read_text())
    container = bench.start("sleep", "100", network="host")
    mine = bench.shell("cat /proc/net/unix", network="host")
    assert not [name for name in _abstract(mine) - before if "sampan" in name or container.id in name]
    where = bench.engine.layout.bundle(container.id)
    assert stat.S_ISSOCK(os.stat(f"{where}/attach.sock").st_mode)
    assert any(os.stat(path).st_mode & 0o077 == 0 for path in (where, os.path.dirname(where)))


def _abstract(table: str) -> set[str]:
    return {words[7] for line in table.splitlines()[1:] if len(words := line.split()) > 7 and words[7].startswith("@")}
