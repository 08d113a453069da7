from __future__ import annotations

import os
import subprocess

from sampan.store import owner


def test_this_process_lives() -> None:
    token = owner.current()
    assert owner.alive(token)
    assert owner.pid_of(token) == os.getpid()


def test_a_zombie_does_not_live() -> None:
    child = subprocess.Popen(["sleep", "60"])
    boot = owner.current().split("/")[0]
    with open(f"/proc/{child.pid}/stat") as file:
        token = f"{boot}/{child.pid}/{file.read().rpartition(') ')[2].split()[19]}"
    assert owner.alive(token)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not owner.alive(token)
    child.wait()
    assert not owner.alive(token)


def test_a_pid_used_again_or_after_a_reboot_is_another_process() -> None:
    boot, pid, started = owner.current().split("/")
    assert not owner.alive(f"{boot}/{pid}/{int(started) + 1}")
    assert not owner.alive(f"{'0' * len(boot)}/{pid}/{started}")
