"""Tests that nothing stays of commands on networks that were killed at any moment."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.core.engine.containers import Bench, bench_at, kill_after, leftovers

from sampan.engine.engine import Engine
from sampan.errors import NotFound
from sampan.model.network import Connection, Network, PortMapping

_COMMAND = """
import sys, msgspec
from sampan.config import Settings
from sampan.engine.engine import Engine
from sampan.model.network import Connection, Network
engine = Engine(msgspec.json.decode(sys.argv[1], type=Settings))
engine.network("bridge")
print("go", flush=True)
match sys.argv[2]:
    case "create":
        engine.create_network(Network(id="", name="net", driver="", ipv6=True))
    case "remove":
        engine.remove_network("net")
    case "connect":
        engine.connect("victim", Connection(network="net", priority=1))
    case "disconnect":
        engine.disconnect("victim", "net")
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(tmp_path) as made:
        yield made


@pytest.mark.parametrize("verb", ["create", "remove", "connect", "disconnect"])
def test_commands_killed_at_any_moment(bench: Bench, verb: str) -> None:
    settings = msgspec.json.encode(bench.engine.settings).decode()
    moments = random.Random(verb)
    # Its port goes with the default route: from network to network as it is connected and disconnected.
    ports = (PortMapping(port=80, protocol="udp"),)
    bench.start("sleep", "1000", name="victim", network="bridge", ports=ports)
    for turn in range(5):
        _prepare(bench.engine, verb)
        kill_after(moments.random() * 0.2, _COMMAND, settings, verb)
        with Engine(bench.engine.settings) as fresh:
            _check(fresh, bench, turn)


def _prepare(engine: Engine, verb: str) -> None:
    if verb != "create":
        engine.create_network(Network(id="", name="net", driver=""))
    if verb == "disconnect":
        engine.connect("victim", Connection(network="net", priority=1))


def _check(engine: Engine, bench: Bench, turn: int) -> None:
    """What a new command finds is a whole state, on record, with the driver, inside the container and on the host."""
    container = engine.container("victim")
    connected = [one.network for one in container.spec.connections]
    assert len(container.endpoints) == len(connected), turn
    driver = engine.network("bridge")
    for network in engine.store.networks.all():
        if network.driver == "bridge":
            assert list(driver.endpoints(network)) == [container.id] * (network.name in connected), turn
    assert [bool(one.ports) for one in container.endpoints].count(True) == 1, turn
    publisher = engine.store.networks.named(next(one.network for one in container.endpoints if one.ports))
    assert publisher and publisher.name == ("net" if "net" in connected else "bridge"), turn
    inside = bench.shell("ip -o link; ip route", network=f"container:{container.id}")
    assert [f"eth{n}@" in inside for n in range(2)] == [True, len(connected) > 1], (turn, inside)
    assert inside.count("default via") == 1, (turn, inside)
    assert leftovers(engine, bench.made) == [], turn
    assert list(engine.check()) == [], turn
    try:
        if "net" in connected:
            engine.disconnect("victim", "net")
        engine.remove_network("net")
    except NotFound:
        pass
    known = {network.id for network in engine.store.networks.all()}
    assert {one.name for one in Path(engine.layout.network("bridge")).iterdir() if one.is_dir()} <= known, turn
    assert _bridges(engine) == {engine.settings.options["network/bridge"]["bridge"]}, turn


def _bridges(engine: Engine) -> set[str]:
    """Return the bridges of this engine's: their marks say whose they are."""
    where = engine.layout.network("bridge")
    names = [name for _, name in socket.if_nameindex()]
    return {name for name in names if _alias(name).startswith(f"{where}/"[-150:])}


def _alias(link: str) -> str:
    try:
        return Path(f"/sys/class/net/{link}/ifalias").read_text()
    except OSError:
        return ""  # it is gone
