"""CVE-2022-0492: root in a container mounted cgroups of version 1 and set their release_agent, which the host runs.

It can neither mount any, nor unshare namespaces in which it may, nor write to those it is shown.
"""

from __future__ import annotations

from tests.core.engine.containers import Bench

SCRIPT = """
mkdir /tmp/g
! mount -t cgroup -o memory cgroup /tmp/g 2>/dev/null
! mount -t cgroup2 none /tmp/g 2>/dev/null
! busybox unshare -UrmC true 2>/dev/null
for file in $(busybox find /sys/fs/cgroup -name release_agent -o -name notify_on_release -o -name cgroup.procs); do
    ! echo 1 2>/dev/null > $file || echo $file
done
echo done
"""


def test_no_release_agent_can_be_set(bench: Bench) -> None:
    assert bench.shell(f"({SCRIPT}) 2>/dev/null") == "done\n"
    assert bench.shell(f"({SCRIPT}) 2>/dev/null", security_options=("seccomp=unconfined",)) == "done\n"
