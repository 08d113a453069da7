"""CVE-2016-9962: what joins a container could be traced and read from inside while it still held the host's things.

Between entering the namespaces and executing the command, a process of the engine is in the container's sight. If it is
dumpable, root inside reads its memory, takes its descriptors, or traces it. (Who is given CAP_SYS_PTRACE is above that:
docs/security.md.)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.core.engine.containers import Bench, eventually
from tests.security.ways import at, execute


def test_nothing_of_what_joins_is_reached(bench: Bench, compiled: Callable[[str], Path]) -> None:
    snoop = compiled(Path(__file__).with_name("snoop.c").read_text())
    container = bench.start("/bin/sh", "-c", "exec /program > /told 2>&1", volumes=(at(snoop, "/program"),))
    told = Path(f"/proc/{container.pid}/root/told")
    eventually(lambda: told.exists() and "ready" in told.read_text())
    for _ in range(12):
        assert execute(bench, container, "/bin/true") == (0, "")
    for _ in range(4):
        assert bench.run("/bin/true", pid_mode=f"container:{container.id}") == (0, "")
    assert told.read_text() == "ready\n"
    bench.engine.kill(container.id)
