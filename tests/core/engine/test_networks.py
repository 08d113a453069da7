"""Test how networks are made, listed, described and removed."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import Any

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from sampan.model.network import Connection, EndpointRequest, Network, Pool
from sampan.testing.sandbox import Sandbox


def _create(bench: Bench, name: str, **wanted: Any) -> Network:
    return bench.engine.create_network(Network(id="", name=name, driver="", **wanted))


def _names(bench: Bench, **filters: list[str]) -> list[str]:
    return [network.name for network in bench.engine.list_networks(filters)]


def _links() -> set[str]:
    return {name for _index, name in socket.if_nameindex()}


def test_every_driver_has_a_network(bench: Bench) -> None:
    assert _names(bench) == ["bridge", "host", "none"]
    ids = [network.id for network in bench.engine.list_networks()]
    assert [network.id for network in bench.engine.list_networks()] == ids
    assert {len(one) for one in ids} == {64}


def test_a_default_network_of_an_early_store_gets_an_id_when_nobody_is_on_it(bench: Bench) -> None:
    early = bench.engine.store.networks.settle(Network(id="bridge", name="bridge", driver="bridge"))
    driver, sandbox = bench.engine.network("bridge"), Sandbox()
    driver.connect(early, sandbox.path, EndpointRequest(container="c1"))
    assert bench.engine.inspect_network("bridge")["Id"] == "bridge"
    sandbox.close()
    driver.disconnect(early, "c1")
    assert len(bench.engine.inspect_network("bridge")["Id"]) == 64
    assert "bridge" not in os.listdir(bench.engine.layout.network("bridge"))


def test_a_network_is_made_described_and_removed(bench: Bench) -> None:
    made = _create(bench, "web", labels={"a": "b"}, ipam_options={"x": "y"})
    assert made.driver == "bridge" and f"br-{made.id[:12]}" in _links()
    found = bench.engine.inspect_network(made.id[:10])
    (pool,) = made.pools
    assert found["IPAM"] == {
        "Driver": "default", "Options": {"x": "y"}, "Config": [{"Subnet": pool.subnet, "Gateway": pool.gateway}],
    }
    assert (found["Name"], found["Id"], found["Driver"], found["Labels"]) == ("web", made.id, "bridge", {"a": "b"})
    assert found["Containers"] == {} and found["EnableIPv4"] and not found["EnableIPv6"]
    bench.engine.remove_network("web")
    assert f"br-{made.id[:12]}" not in _links() and "web" not in _names(bench)
    with pytest.raises(NotFound, match="network web not found"):
        bench.engine.remove_network("web")


def test_all_that_can_be_asked_of_a_subnet(bench: Bench) -> None:
    base = f"10.{200 + os.urandom(1)[0] % 50}.{os.urandom(1)[0]}"
    base6 = f"fd00:{os.urandom(2).hex().replace('0', '1')}:5a"
    pools = (
        Pool(subnet=f"{base}.0/24", gateway=f"{base}.9", range=f"{base}.128/28", reserved={"router": f"{base}.129"}),
        Pool(subnet=f"{base6}::/64"),
    )
    _create(bench, "web", pools=pools, ipv6=True)
    assert bench.engine.inspect_network("web")["IPAM"]["Config"] == [
        {
            "Subnet": f"{base}.0/24", "IPRange": f"{base}.128/28", "Gateway": f"{base}.9",
            "AuxiliaryAddresses": {"router": f"{base}.129"},
        },
        {"Subnet": f"{base6}::/64", "Gateway": f"{base6}::1"},
    ]
    container = bench.start("sleep", "100", network="web")
    (endpoint,) = container.endpoints
    assert (endpoint.address, endpoint.address6) == (f"{base}.128", f"{base6}::2")
    assert bench.engine.inspect_network("web")["Containers"] == {container.id: {
        "Name": container.name, "EndpointID": endpoint.id, "MacAddress": endpoint.mac,
        "IPv4Address": f"{base}.128/24", "IPv6Address": f"{base6}::2/64",
    }}


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ({"name": "taken"}, AlreadyExists, "network with name taken already exists"),
        ({"name": "bridge"}, Conflict, "operation is not permitted on predefined bridge network"),
        ({"name": "default"}, Conflict, "operation is not permitted on predefined default network"),
        ({"name": " "}, InvalidInput, "invalid network name ' '"),
        ({"name": "container:x"}, InvalidInput, "invalid network name 'container:x'"),
        ({"driver": "host"}, Conflict, 'only one instance of "host" network is allowed'),
        ({"driver": "nothing"}, NotFound, 'no network driver named "nothing"'),
        ({"ipv4": False}, InvalidInput, "IPv4 or IPv6 must be enabled"),
        ({"options": {"mtu": "-1"}}, InvalidInput, "invalid MTU number: -1"),
        ({"pools": (Pool(subnet="10.1.2.3/24"),)}, InvalidInput, "subnet 10.1.2.3/24: it should be 10.1.2.0/24"),
        ({"pools": (Pool(subnet="203.0.113.0/24", reserved={"a": "203.0.113.1"}),)}, Conflict,
         "failed to allocate secondary ip address (a:203.0.113.1): Address already in use"),
    ],
)
def test_what_cannot_be(bench: Bench, wanted: dict[str, Any], error: type[Exception], message: str) -> None:
    _create(bench, "taken")
    held = os.listdir(bench.engine.layout.network("bridge"))
    with pytest.raises(error) as caught:
        bench.engine.create_network(Network(**{"id": "", "name": "new", "driver": "", **wanted}))
    assert message in str(caught.value)
    assert os.listdir(bench.engine.layout.network("bridge")) == held
    assert _names(bench) == ["bridge", "host", "none", "taken"]


def test_a_network_in_use_is_not_removed(bench: Bench) -> None:
    made = _create(bench, "web")
    container = bench.start("sleep", "100", network="web")
    message = f"error while removing network: network web id {made.id} has active endpoints"
    with pytest.raises(Conflict, match=message):
        bench.engine.remove_network("web")
    assert bench.engine.prune_networks() == []
    bench.engine.stop(container.id, timeout=0)
    bench.engine.remove_network("web")
    with pytest.raises(NotFound, match="network web not found"):
        bench.engine.start(container.id)
    with pytest.raises(Conflict, match="bridge is a pre-defined network and cannot be removed"):
        bench.engine.remove_network("bridge")


def test_a_bridge_that_was_removed_by_hand(bench: Bench) -> None:
    made = _create(bench, "web")
    first = bench.start("sleep", "100", network="web")
    subprocess.run(["ip", "link", "delete", f"br-{made.id[:12]}"], check=True)
    second = bench.start("sleep", "100", network="web")  # it is made anew, with those on it that were
    bench.engine.stop(first.id, timeout=0)
    bench.engine.stop(second.id, timeout=0)
    subprocess.run(["ip", "link", "delete", f"br-{made.id[:12]}"], check=True)
    bench.engine.remove_network("web")


def test_filters(bench: Bench) -> None:
    _create(bench, "web", labels={"a": "b"})
    _create(bench, "db", internal=True)
    bench.start("sleep", "100", network="db")
    assert _names(bench, name=["^w"]) == ["web"] and _names(bench, name=["["]) == []
    assert _names(bench, label=["a=b"]) == _names(bench, dangling=["true"]) == ["web"]
    assert _names(bench, dangling=["false"]) == ["bridge", "db", "host", "none"]
    assert _names(bench, type=["custom"]) == ["db", "web"]
    assert _names(bench, type=["builtin"], driver=["host", "none"]) == ["host", "none"]
    assert _names(bench, id=[bench.engine.list_networks()[1].id[:12]]) == ["db"]
    assert _names(bench, scope=["global"]) == []
    for wrong, message in (
        ({"foo": ["x"]}, "Invalid filter 'foo'"), ({"type": ["x"]}, "invalid filter: 'type'='x'"),
        ({"dangling": ["x"]}, 'must be "true"'),
    ):
        with pytest.raises(InvalidInput, match=message):
            _names(bench, **wrong)


def test_pruning(bench: Bench) -> None:
    for name, labels in (("one", {"keep": ""}), ("two", {}), ("three", {})):
        _create(bench, name, labels=labels)
    bench.start("sleep", "100", network="three")
    assert bench.engine.prune_networks(until=1.0) == []
    assert bench.engine.prune_networks(without=["keep"]) == ["two"]
    assert bench.engine.prune_networks() == ["one"]


def test_what_networks_do_is_told(bench: Bench) -> None:
    made = _create(bench, "web")
    bench.run("true", network="web")
    container = bench.engine.containers(all=True)[0]
    bench.engine.remove_network("web")
    told = [event for event in bench.engine.events(since=0, until=time.time_ns()) if event["Type"] == "network"]
    assert [event["Action"] for event in told] == ["create", "connect", "disconnect", "destroy"]
    assert told[1]["Actor"] == {
        "ID": made.id, "Attributes": {"container": container.id, "name": "web", "type": "bridge"},
    }


def test_networks_without_a_subnet_of_ones_own_take_no_addresses(bench: Bench) -> None:
    _create(bench, "web", ipv6=True)
    with pytest.raises(InvalidInput, match="only when connecting to networks with user configured subnets"):
        bench.create("true", connections=(Connection(network="web", address6="fd00::9"),))
