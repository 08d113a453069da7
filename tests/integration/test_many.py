"""Tests of many commands at once on one store."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import Bench, bench_at, eventually, leftovers, python

from sampan.model.container import Status

_PROLOGUE = """
import sys, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.errors import SampanError
from sampan.model.container import ContainerSpec
engine = Engine(msgspec.json.decode(sys.argv[1], type=Settings))
number = sys.argv[2]
def spec(*command, **rest):
    return ContainerSpec(image="bb:1", command=command, network="bridge", **rest)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as made:
        yield made


def _at_once(bench: Bench, count: int, program: str) -> list[str]:
    """Run a program in several processes at once; return what they printed."""
    settings = msgspec.json.encode(bench.engine.settings).decode()
    bench.engine.close()
    children = [
        python(_PROLOGUE + program, settings, str(number), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for number in range(count)
    ]
    outputs = [child.communicate(timeout=60)[0].decode() for child in children]
    assert all(child.returncode == 0 for child in children), outputs
    return outputs


def test_twenty_starts_at_once(bench: Bench) -> None:
    _at_once(bench, 20, "engine.start(engine.create(spec('sleep', '100', name=f'many{number}')).id)")
    containers = bench.engine.containers()
    assert {container.name for container in containers} == {f"many{number}" for number in range(20)}
    addresses = Counter(endpoint.address for container in containers for endpoint in container.endpoints)
    assert len(addresses) == 20
    _at_once(bench, 20, "engine.remove(f'many{number}', force=True)")
    assert bench.engine.containers(all=True) == []
    bench.made += [container.id for container in containers]
    eventually(lambda: leftovers(bench.engine, bench.made) == [], lambda: leftovers(bench.engine, bench.made))


def test_fifty_run_side_by_side(bench: Bench) -> None:
    program = """
for turn in range(10):
    asked = spec("sh", "-c", "echo up; exec sleep 100", name=f"many{number}{turn}")
    engine.start(engine.create(msgspec.structs.replace(asked, network="none" if turn % 5 else "bridge")).id)
"""
    _at_once(bench, 5, program)
    containers = bench.engine.containers()
    assert len(containers) == 50 and all(one.status is Status.RUNNING for one in containers)
    eventually(lambda: all(list(bench.engine.logs(one.id)) for one in containers))
    assert all(b"".join(entry.content for entry in bench.engine.logs(one.id)) == b"up\n" for one in containers)
    _at_once(bench, 5, "for turn in range(10): engine.remove(f'many{number}{turn}', force=True)")
    assert bench.engine.containers(all=True) == []
    bench.made += [container.id for container in containers]
    eventually(lambda: leftovers(bench.engine, bench.made) == [], lambda: leftovers(bench.engine, bench.made))


def test_many_starts_and_removals_side_by_side(bench: Bench) -> None:
    # One of ten on the bridge: deleting an interface waits for a grace period of the kernel's.
    program = """
for turn in range(40):
    asked = msgspec.structs.replace(spec("true"), network="none" if turn % 10 else "bridge", auto_remove=bool(turn % 2))
    container = engine.create(asked)
    with engine.start(container.id, attach=True) as attachment:
        for _ in attachment.frames():
            pass
    assert attachment.exit_code == 0
    if not asked.auto_remove:
        engine.remove(container.id)
    print(container.id)
"""
    bench.made += "".join(_at_once(bench, 4, program)).split()
    assert len(bench.made) == 160
    assert bench.engine.containers(all=True) == []
    eventually(lambda: leftovers(bench.engine, bench.made) == [], lambda: leftovers(bench.engine, bench.made))


def test_whole_runs_at_once(bench: Bench) -> None:
    program = """
for turn in range(3):
    container = engine.create(spec("sh", "-c", f"echo {number}.{turn}", auto_remove=True))
    with engine.start(container.id, attach=True) as attachment:
        sys.stdout.write(b"".join(content for kind, content in attachment.frames()).decode())
    assert attachment.exit_code == 0
"""
    outputs = _at_once(bench, 6, program)
    assert outputs == [f"{number}.0\n{number}.1\n{number}.2\n" for number in range(6)]
    assert bench.engine.containers(all=True) == []


def test_one_of_those_who_want_a_name_gets_it(bench: Bench) -> None:
    program = """
try:
    engine.create(spec("true", name="wanted"))
    print("mine")
except SampanError as error:
    print(type(error).__name__)
"""
    assert Counter(_at_once(bench, 8, program)) == {"mine\n": 1, "AlreadyExists\n": 7}
    assert leftovers(bench.engine, bench.made) == []


def test_one_container_pulled_in_all_directions(bench: Bench) -> None:
    container = bench.create("sleep", "100", network="bridge", name="torn")
    program = """
for turn in range(4):
    try:
        (engine.start, lambda name: engine.stop(name, timeout=0), engine.kill)[(int(number) + turn) % 3]("torn")
    except SampanError as error:
        print(type(error).__name__)
"""
    outputs = _at_once(bench, 6, program)
    assert set("".join(outputs).split()) <= {"Conflict"}
    bench.engine.stop("torn", timeout=0)
    eventually(lambda: bench.engine.container(container.id).status is Status.EXITED)
    assert leftovers(bench.engine, bench.made) == []
