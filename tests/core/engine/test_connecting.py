"""Test how containers are connected to networks, and disconnected, while they run and while they do not."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model.container import Container
from sampan.model.network import Connection, Network, Pool


@pytest.fixture
def web(bench: Bench) -> Network:
    return bench.engine.create_network(Network(id="", name="web", driver=""))


@pytest.fixture
def own(bench: Bench) -> Network:
    """A network whose subnet a user chose."""
    first, second = os.urandom(2)
    pools = (Pool(subnet=f"10.{200 + first % 50}.{second}.0/24"),)
    return bench.engine.create_network(Network(id="", name="own", driver="", pools=pools))


def _connect(bench: Bench, container: Container, network: str, **wanted: object) -> Container:
    bench.engine.connect(container.id, Connection(network=network, **wanted))  # type: ignore[arg-type]  # tests' freedom
    return bench.engine.container(container.id)


def _disconnect(bench: Bench, container: Container, network: str) -> Container:
    bench.engine.disconnect(container.id, network)
    return bench.engine.container(container.id)


def _seen(bench: Bench, container: Container) -> str:
    """Return what a container finds of its network."""
    return bench.shell("ip -o -4 address; ip route; cat /etc/hosts", network=f"container:{container.id}")


def _holders(bench: Bench, network: Network) -> list[str]:
    return list(bench.engine.network(network.driver).endpoints(network))


def test_a_running_container_is_connected_and_disconnected(bench: Bench, web: Network, own: Network) -> None:
    container = bench.start("sleep", "100", network="web")
    (first,) = container.endpoints
    wanted = own.pools[0].gateway.removesuffix(".1") + ".77"
    container = _connect(bench, container, "own", address=wanted, aliases=("db",))
    second = next(one for one in container.endpoints if one.network == own.id)
    assert (second.address, second.interface) == (wanted, "eth1")
    seen = _seen(bench, container)
    assert f"eth1    inet {wanted}/24" in seen and f"default via {own.pools[0].gateway} dev eth1" in seen
    assert f"{first.address}\t{container.short_id}\n" in seen and f"{wanted}\t{container.short_id}\n" in seen
    container = _disconnect(bench, container, "own")
    seen = _seen(bench, container)
    assert container.endpoints == (first,) and wanted not in seen
    assert f"default via {first.gateway} dev eth0" in seen
    assert _holders(bench, own) == [] and _holders(bench, web) == [container.id]
    container = _disconnect(bench, container, "web")
    assert container.endpoints == container.spec.connections == ()
    assert "eth0" not in _seen(bench, container) and "default" not in _seen(bench, container)
    assert bench.engine.inspect_container(container.id)["NetworkSettings"]["Networks"] == {}


def test_the_default_route_follows_the_priority(bench: Bench, web: Network, own: Network) -> None:
    container = bench.start("sleep", "100", network="own")
    container = _connect(bench, container, "web", priority=1)
    assert [one.network for one in container.endpoints] == [web.id, own.id]
    assert f"default via {container.endpoints[0].gateway} " in _seen(bench, container)
    container = _disconnect(bench, container, "web")
    assert f"default via {own.pools[0].gateway} " in _seen(bench, container)


def test_it_lasts(bench: Bench, web: Network, own: Network) -> None:
    container = _connect(bench, bench.start("sleep", "100", network="web"), "own")
    bench.engine.restart(container.id, timeout=0)
    assert {one.network for one in bench.engine.container(container.id).endpoints} == {web.id, own.id}
    _disconnect(bench, container, "web")
    bench.engine.stop(container.id, timeout=0)
    assert _holders(bench, own) == []
    bench.engine.start(container.id)
    assert [one.network for one in bench.engine.container(container.id).endpoints] == [own.id]


def test_one_that_does_not_run_is_connected_when_it_does(bench: Bench, web: Network, own: Network) -> None:
    container = _connect(bench, bench.create("sleep", "100", network="web"), "own")
    gateway = own.pools[0].gateway
    container = _connect(bench, container, "own", address=gateway.removesuffix(".1") + ".9")
    container = _disconnect(bench, container, "web")
    assert container.endpoints == () and _holders(bench, own) == []
    bench.engine.start(container.id)
    (endpoint,) = bench.engine.container(container.id).endpoints
    assert (endpoint.network, endpoint.address) == (own.id, gateway.removesuffix(".1") + ".9")


def test_a_network_that_is_gone_can_be_left(bench: Bench, web: Network, own: Network) -> None:
    container = bench.create("sleep", "100", network="web")
    bench.engine.remove_network("web")
    _connect(bench, container, "own")
    with pytest.raises(NotFound, match="network web not found"):
        bench.engine.start(container.id)
    _disconnect(bench, container, "web")
    bench.engine.start(container.id)


def test_what_others_wrote_into_hosts_stays(bench: Bench, web: Network, own: Network) -> None:
    container = bench.start("sleep", "100", network="web", extra_hosts=("db:192.0.2.1",))
    hosts = Path(bench.engine.layout.container(container.id), "hosts")
    inode = hosts.stat().st_ino
    hosts.write_text(hosts.read_text() + "192.0.2.2\tadded\n")
    container = _connect(bench, container, "own")
    content = hosts.read_text()
    assert "192.0.2.1\tdb\n" in content and "192.0.2.2\tadded\n" in content and hosts.stat().st_ino == inode
    assert content.count(container.short_id) == 2


def test_a_paused_container(bench: Bench, web: Network, own: Network) -> None:
    container = bench.start("sleep", "100", network="web")
    bench.engine.pause(container.id)
    assert len(_connect(bench, container, "own").endpoints) == 2
    bench.engine.unpause(container.id)


def test_what_cannot_be(bench: Bench, web: Network, own: Network) -> None:
    running, other = bench.start("sleep", "100", network="web"), bench.create("true", network="own")
    on_host, on_none = bench.create("true", network="host"), bench.create("true", network="none")
    sharing = bench.create("true", network=f"container:{running.id}")
    no_ip = "user specified IP address is supported only when connecting to networks with user configured subnets"
    several = r"container cannot be connected to multiple networks with one of the networks in private \(none\) mode"
    shared = "container sharing network namespace with another container or host cannot be connected to any other"
    from_host = "container cannot be disconnected from host network or connected to host network"
    for container, network, more, error, message in (
        (running, "nowhere", {}, NotFound, "network nowhere not found"),
        (running, "web", {}, Conflict, f"endpoint with name {running.name} already exists in network web"),
        (other, "web", {"address": "10.1.1.1"}, InvalidInput, no_ip),
        (running, "none", {}, Conflict, several),
        (on_none, "web", {}, Conflict, several),
        (running, "host", {}, Conflict, from_host),
        (on_host, "web", {}, Conflict, shared),
        (sharing, "own", {}, Conflict, shared),
        (running, "own", {"address": "10.1.1.1"}, InvalidInput, "It does not belong to any of this network's subnets"),
        (running, "own", {"address": own.pools[0].gateway}, Conflict, "Address already in use"),
    ):
        before = bench.engine.container(container.id)
        with pytest.raises(error, match=message):
            _connect(bench, container, network, **more)
        assert bench.engine.container(container.id) == before
    assert _holders(bench, own) == []
    with pytest.raises(NotFound, match="No such container: nobody"):
        bench.engine.connect("nobody", Connection(network="web"))
    for network, message in (("own", f"container {running.id} is not connected to network own"),
                             ("nowhere", "network nowhere not found")):
        with pytest.raises((Conflict, NotFound), match=message):
            bench.engine.disconnect(running.id, network)
    with pytest.raises(Conflict, match=from_host):
        bench.engine.disconnect(on_host.id, "host")
    with pytest.raises(NotFound, match="endpoint nobody not found"):
        bench.engine.disconnect("nobody", "web", force=True)


def test_a_container_that_is_being_started_is_waited_for(bench: Bench, web: Network, own: Network) -> None:
    container = bench.create("sleep", "100", network="web")
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(bench.engine.start, container.id)
        connected = [pool.submit(_connect, bench, container, "own"), pool.submit(_disconnect, bench, container, "web")]
        for one in (starting, *connected):
            one.result()
    (endpoint,) = bench.engine.container(container.id).endpoints
    assert endpoint.network == own.id and f"dev {endpoint.interface}" in _seen(bench, container)
    assert _holders(bench, web) == [] and _holders(bench, own) == [container.id]


def test_many_at_once(bench: Bench, web: Network) -> None:
    networks = [bench.engine.create_network(Network(id="", name=f"net{n}", driver="")) for n in range(4)]
    container = bench.start("sleep", "100", network="web")
    with ThreadPoolExecutor() as pool:
        for one in [pool.submit(_connect, bench, container, network.name) for network in networks]:
            one.result()
    endpoints = bench.engine.container(container.id).endpoints
    assert {one.interface for one in endpoints} == {f"eth{n}" for n in range(5)}
    assert [len(_holders(bench, network)) for network in networks] == [1] * 4
