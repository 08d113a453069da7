"""CVE-2024-21626: a working directory of /proc/self/fd/N was a directory of the host, left open by the engine.

And what led there when the container was built, or in an exec later, must not either.
"""

from __future__ import annotations

import os

import pytest
from tests.core.engine.containers import Bench, eventually
from tests.security.ways import execute

from sampan.errors import SampanError

WHERE = ("/proc/self/fd/{}", "/proc/1/fd/{}", "/proc/thread-self/fd/{}", "/link{}")


def test_no_descriptor_is_a_working_directory(bench: Bench) -> None:
    for number in range(24):
        container = bench.create("pwd", workdir=WHERE[number % 2].format(number))
        with pytest.raises(SampanError):
            bench.engine.start(container.id)


def test_nor_that_of_an_exec(bench: Bench) -> None:
    script = "for n in $(seq 0 23); do busybox ln -s /proc/self/fd/$n /link$n; done; sleep 100"
    container = bench.start("sh", "-c", script)
    eventually(lambda: os.path.lexists(f"/proc/{container.pid}/root/link23"))
    for number in range(24):
        for where in WHERE:
            with pytest.raises(SampanError):
                execute(bench, container, "pwd", workdir=where.format(number))
