"""Containers shared the session keyring of whoever started them, and with it the keys in it.

The filter keeps containers from keyrings; where it is taken away, the keyring is still the container's own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.core.engine.containers import Bench

PROGRAM = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    long id = syscall(SYS_keyctl, 0, -3, 0);
    printf("%ld\n", id < 0 ? -(long) errno : id);
    return 0;
}
"""


def test_the_session_keyring_is_its_own(
    bench: Bench, compiled: Callable[[str], Path], way: Callable[..., str]
) -> None:
    program = compiled(PROGRAM)
    mine = int(subprocess.run([program], check=True, capture_output=True).stdout)
    assert int(way(bench, program)) == -1
    theirs = int(way(bench, program, security_options=("seccomp=unconfined",)))
    # A kernel without keyrings tells both alike that it has none.
    assert theirs != mine or theirs == -38
