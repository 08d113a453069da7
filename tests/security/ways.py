"""Run a program in a container in every way there is."""

from __future__ import annotations

import os
import select
from pathlib import Path
from typing import Any

from tests.core.engine.containers import PATIENCE, Bench, eventually

from sampan.contracts.runtime import Stdio
from sampan.engine.exec_ import ExecRequest
from sampan.model.container import Container, Volume
from sampan.model.image import HealthCheck

_TELL = "/program > /run/.told && mv /run/.told /run/told"


def at(path: Path, target: str, *, read_only: bool = True) -> Volume:
    """Return a bind mount."""
    return Volume(kind="bind", source=str(path), target=target, read_only=read_only)


def execute(bench: Bench, container: Container, *command: str, **request: Any) -> tuple[int, str]:
    """Run another process in a container to its end; return exit code and output."""
    reader, writer = os.pipe()
    with open(reader, "rb") as output:
        try:
            execution = bench.engine.exec(
                container.id, ExecRequest(command=command, **request), Stdio(None, writer, writer))
        finally:
            os.close(writer)
        content = b""
        while select.select([output], [], [], PATIENCE)[0] and (chunk := os.read(reader, 65536)):
            content += chunk
    return execution.wait(), content.decode()


def by_run(bench: Bench, program: Path, *more: Volume, **spec: Any) -> str:
    """Return what a program prints as a container's first process."""
    code, output = bench.run("/program", volumes=(at(program, "/program"), *more), **spec)
    assert code == 0, output
    return output


def by_exec(bench: Bench, program: Path, *more: Volume, **spec: Any) -> str:
    """Return what a program prints as a further process of a container."""
    container = bench.start("sleep", "100", volumes=(at(program, "/program"), *more), **spec)
    code, output = execute(bench, container, "/program")
    bench.engine.remove(container.id, force=True)
    assert code == 0, output
    return output


def by_health_check(bench: Bench, program: Path, *more: Volume, **spec: Any) -> str:
    """Return what a program prints as a container's health check."""
    check = HealthCheck(test=("CMD", "/bin/sh", "-c", _TELL), interval=30_000_000)
    scratch = Volume(kind="tmpfs", target="/run", options=("mode=1777",))
    container = bench.start("sleep", "100", volumes=(at(program, "/program"), scratch, *more), health=check, **spec)
    told = Path(f"/proc/{container.pid}/root/run/told")
    eventually(told.exists)
    content = told.read_text()
    bench.engine.remove(container.id, force=True)
    return content


WAYS = {"run": by_run, "exec": by_exec, "health": by_health_check}
