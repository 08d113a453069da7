"""Test which networks containers get, and what they find there."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.model.container import Container
from sampan.model.network import Connection, Network, Pool


def _network(bench: Bench, name: str, subnet: str = "") -> Network:
    pools = (Pool(subnet=subnet),) if subnet else ()
    return bench.engine.create_network(Network(id="", name=name, driver="bridge", pools=pools))


def _on(*wanted: str | Connection) -> dict[str, Any]:
    """Return what a spec says for a container on these networks."""
    connections = tuple(Connection(network=one) if isinstance(one, str) else one for one in wanted)
    return {"network": connections[0].network, "connections": connections}


def _free_subnet() -> str:
    first, second = os.urandom(2)
    return f"10.{200 + first % 50}.{second}.0/24"


def _inside(bench: Bench, container: Container, *command: str) -> str:
    """Return what a container of its own says in this one's network."""
    return bench.shell(" ".join(command), network=f"container:{container.id}")


def test_a_container_on_two_networks(bench: Bench) -> None:
    for name in ("one", "two"):
        _network(bench, name)
    container = bench.start("sleep", "100", **_on("one", Connection(network="two", priority=1)))
    assert [one.network for one in container.spec.connections] == ["one", "two"]
    two, one = container.endpoints
    assert (two.interface, one.interface) == ("eth0", "eth1") and one.id != two.id
    hosts = _inside(bench, container, "cat /etc/hosts; ip route")
    assert f"{one.address}\t{container.short_id}\n" in hosts and f"{two.address}\t{container.short_id}\n" in hosts
    assert f"default via {two.gateway} dev eth0" in hosts
    networks = bench.engine.inspect_container(container.id)["NetworkSettings"]["Networks"]
    assert {name: found["IPAddress"] for name, found in networks.items()} == {"one": one.address, "two": two.address}
    assert (networks["one"]["NetworkID"], networks["one"]["EndpointID"]) == (one.network, one.id)
    assert networks["two"]["GwPriority"] == 1


def test_the_default_route_leads_by_the_first_of_equals(bench: Bench) -> None:
    for name in ("b", "a"):
        _network(bench, name)
    container = bench.start("sleep", "100", **_on("b", "a"))
    a = bench.engine.store.networks.find("a")
    assert (container.endpoints[0].network, container.spec.network) == (a.id, "b")
    assert f"default via {a.pools[0].gateway} " in _inside(bench, container, "ip route")


def test_every_network_is_given_back(bench: Bench) -> None:
    made = [_network(bench, name) for name in ("one", "two")]
    bench.run("true", **_on("one", "two"))
    assert [list(bench.engine.network("bridge").endpoints(one)) for one in made] == [[], []]


def test_a_network_that_cannot_be_connected_gives_the_others_back(bench: Bench) -> None:
    made, gone = _network(bench, "one"), _network(bench, "two")
    container = bench.create("true", **_on("one", "two"))
    bench.engine.remove_network(gone.id)
    with pytest.raises(NotFound, match="network two not found"):
        bench.engine.start(container.id)
    assert list(bench.engine.network("bridge").endpoints(made)) == []


def test_an_address_asked_for(bench: Bench) -> None:
    subnet = _free_subnet()
    _network(bench, "own", subnet)
    wanted, mac = subnet.replace("0/24", "77"), "02:00:00:00:00:07"
    container = bench.start("sleep", "100", **_on(Connection(network="own", address=wanted, mac=mac)))
    assert (container.endpoints[0].address, container.endpoints[0].mac) == (wanted, mac)
    document = bench.engine.inspect_container(container.id)["NetworkSettings"]
    assert document["Networks"]["own"]["IPAMConfig"] == {"IPv4Address": wanted}


def test_what_shares_a_network_shares_its_files_and_name(bench: Bench) -> None:
    first = bench.start("sh", "-c", "echo 1.2.3.4 added >> /etc/hosts; sleep 100", network="bridge", hostname="first")
    script = "ip -o -4 address show eth0; hostname; while ! grep added /etc/hosts; do usleep 9; done"
    seen = _inside(bench, first, script)
    assert first.endpoints[0].address in seen and "first\n1.2.3.4 added\n" in seen


def test_sharing_takes_a_running_container(bench: Bench) -> None:
    first = bench.create("true")
    second = bench.create("true", network=f"container:{first.short_id}")
    assert second.spec.network == f"container:{first.id}"
    with pytest.raises(Conflict, match=f"cannot join network of a non running container: {first.id}"):
        bench.engine.start(second.id)
    with pytest.raises(NotFound, match="No such container: nobody"):
        bench.create("true", network="container:nobody")
    with pytest.raises(InvalidInput, match="conflicting options: hostname and the network mode"):
        bench.create("true", network=f"container:{first.id}", hostname="x")
    with pytest.raises(InvalidInput, match="invalid container format"):
        bench.create("true", network="container:")


def test_sharing_the_hosts_network_through_another(bench: Bench) -> None:
    first = bench.start("sleep", "100", network="host")
    assert os.uname().nodename in _inside(bench, first, "hostname")
    seen = _inside(bench, first, "ls -l /proc/self/ns/net")
    assert os.readlink("/proc/self/ns/net") in seen


@pytest.mark.parametrize(
    ("connection", "message"),
    [
        (Connection(network="bridge", address="10.9.9.9"), "supported on user defined networks only"),
        (Connection(network="bridge", aliases=("x",)), "aliases are only supported for user-defined networks"),
        (Connection(network="own", address="10.9.9.9"), "connecting to networks with user configured subnets"),
    ],
)
def test_what_a_network_cannot_give(bench: Bench, connection: Connection, message: str) -> None:
    _network(bench, "own")
    with pytest.raises(InvalidInput, match=message):
        bench.create("true", **_on(connection))


@pytest.mark.parametrize("names", [("host", "bridge"), ("bridge", "none"), ("none", "host")])
def test_networks_that_do_not_go_together(bench: Bench, names: tuple[str, ...]) -> None:
    with pytest.raises(Conflict):
        bench.create("true", **_on(*names))


def test_a_network_twice(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match='network "bridge" is specified multiple times'):
        bench.create("true", **_on("bridge", "default"))


def test_a_network_by_the_beginning_of_its_id(bench: Bench) -> None:
    made = _network(bench, "own")
    assert bench.create("true", network=made.id[:12]).spec.network == "own"
    with pytest.raises(NotFound, match="network nowhere not found"):
        bench.create("true", network="nowhere")
