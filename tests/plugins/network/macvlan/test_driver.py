"""What the macvlan driver promises beyond the contract: parents, modes, and what is found again after a kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import msgspec
import pytest

from sampan.errors import Conflict, InvalidInput, NotFound, Unsupported
from sampan.kernel.netlink import Netlink, Refused
from sampan.kernel.stacking import make_vlan
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool
from sampan.testing.forking import forked
from sampan.testing.sandbox import Sandbox, fresh_host, reaches
from sampan_plugins.network.macvlan.driver import MacvlanDriver

POOL = Pool(subnet="10.55.0.0/24")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def network(name: str = "n1", **options: str) -> Network:
    return Network(id=name, name=name, driver="macvlan", pools=(POOL,), options=options)


def connect(
    driver: MacvlanDriver, network: Network, sandbox: Sandbox, container: str = "c1", mac: str = ""
) -> Endpoint:
    return driver.connect(network, sandbox.path, EndpointRequest(container=container, mac=mac))


@pytest.fixture
def driver(tmp_path: object) -> Iterator[MacvlanDriver]:
    with fresh_host():
        ip("link", "add", "up0", "type", "veth", "peer", "name", "far0")
        for name in ("up0", "far0"):
            ip("link", "set", name, "up")
        yield MacvlanDriver(f"{tmp_path}/root")


def test_without_a_parent_containers_reach_each_other_and_nobody_else(driver: MacvlanDriver) -> None:
    before, lonely = links(), network()
    driver.create(lonely)
    assert "dm-n1" in links()
    one, two = Sandbox(), Sandbox()
    first, second = connect(driver, lonely, one), connect(driver, lonely, two, "c2")
    assert (first.interface, first.gateway, first.address, first.host_interface) == ("eth0", "", "10.55.0.2", "")
    assert reaches(one, two, second.address)
    assert not reaches(None, two, second.address, 0.2)
    for container, sandbox in (("c1", one), ("c2", two)):
        driver.disconnect(lonely, container)
        sandbox.close()
    driver.remove(lonely)
    assert links() == before


def test_what_is_beyond_the_parent_is_reached_by_the_mac_asked_for(driver: MacvlanDriver) -> None:
    outside, inside = Sandbox(), Sandbox()
    descriptor = os.open(outside.path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    subprocess.run(["ip", "link", "set", "far0", "netns", f"/proc/{os.getpid()}/fd/{descriptor}"], check=True)
    os.close(descriptor)
    with outside.entered():
        ip("address", "add", "10.55.0.1/24", "dev", "far0")
        ip("link", "set", "far0", "up")
    endpoint = connect(driver, network(parent="up0"), inside, mac="02:00:00:00:55:02")
    assert (endpoint.mac, endpoint.gateway) == ("02:00:00:00:55:02", "10.55.0.1")
    assert reaches(outside, inside, endpoint.address)
    with outside.entered():
        assert endpoint.mac in ip("neighbour", "show", endpoint.address)
    for sandbox in (inside, outside):
        sandbox.close()


def test_a_passthru_container_has_its_parent_to_itself(driver: MacvlanDriver) -> None:
    one, two, alone = Sandbox(), Sandbox(), network(parent="up0", macvlan_mode="passthru")
    endpoint = connect(driver, alone, one)
    assert endpoint.mac in ip("link", "show", "up0")
    with pytest.raises(Conflict, match="failed to create the macvlan port on up0"):
        connect(driver, alone, two, "c2")
    assert list(driver.endpoints(alone)) == ["c1"]
    other = msgspec.structs.replace(network("n2", parent="up0"), pools=())
    with pytest.raises(Conflict, match=r"^macvlan network n1 is already using parent interface up0 in mode passthru"):
        driver.create(other)
    for sandbox in (one, two):
        sandbox.close()


def test_networks_on_one_parent_have_subnets_of_their_own(driver: MacvlanDriver) -> None:
    ip("address", "add", "10.55.0.77/24", "dev", "up0")
    assert driver.create(network(parent="up0")).pools == (msgspec.structs.replace(POOL, gateway="10.55.0.1"),)
    with pytest.raises(Conflict, match=r"overlaps 10\.55\.0\.0/24, which is network n1's"):
        driver.create(network("n2", parent="up0"))
    (pool,) = driver.create(msgspec.structs.replace(network("n2", parent="up0"), pools=())).pools
    assert pool.automatic and pool.subnet != POOL.subnet


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parent": "lo"}, "loopback interface is not a valid macvlan parent link"),
        ({"parent": "nope"}, "invalid subinterface vlan name nope, example formatting is eth0.10"),
        ({"parent": "nope.5"}, "-o parent interface was not found on the host: nope"),
        ({"parent": "up0.5000"}, "vlan id must be between 1-4094, received: 5000"),
        ({"parent": "up0.a"}, "unable to parse a valid vlan id from: a (ex. eth0.10 for vlan 10)"),
        ({"parent": "up0.1.2"}, "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead "
         "received up0.1.2"),
        ({"macvlan_mode": "foo"}, "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver "
         "default"),
        ({"mtu": "x"}, 'failed to parse mtu value: x (strconv.Atoi: parsing "x": invalid syntax)'),
    ],
)
def test_what_it_refuses(driver: MacvlanDriver, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        driver.create(network(**options))
    assert str(caught.value) == message
    assert list(driver.endpoints(network())) == []


def test_a_vlan_is_made_when_it_is_missing_and_goes_with_the_last_network(driver: MacvlanDriver) -> None:
    before, tagged = links(), [network(f"n{n}", parent="up0.50") for n in (1, 2)]
    tagged[1] = msgspec.structs.replace(tagged[1], pools=())
    try:
        with Netlink() as rtnl:
            make_vlan(rtnl, "up0", "up0.49", 49)
    except Refused:
        with pytest.raises(Unsupported, match=r"failed to create up0\.50 vlan link: .*8021q"):
            driver.create(tagged[0])
    else:
        before |= {"up0.49"}
        for one in tagged:
            driver.create(one)
            assert "up0.50" in links()
        driver.remove(tagged[0])
        assert "up0.50" in links()
    for one in tagged:
        driver.remove(one)
    assert links() == before


def test_a_parent_that_has_gone_is_missed(driver: MacvlanDriver) -> None:
    sandbox, gone = Sandbox(), network(parent="far0")
    driver.create(gone)
    ip("link", "del", "far0")
    with pytest.raises(NotFound, match="the requested parent interface far0 was not found on the host"):
        connect(driver, gone, sandbox)
    assert list(driver.endpoints(gone)) == []
    sandbox.close()


def test_a_killed_connection_to_a_living_sandbox_is_found_again(driver: MacvlanDriver) -> None:
    sandbox, lonely = Sandbox(), network()
    driver.create(lonely)

    def stopped() -> None:
        driver._endpoint = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign, assignment, return-value]
        connect(driver, lonely, sandbox)

    os.waitpid(forked(stopped), 0)
    assert sandbox.interfaces() == {"lo", "eth0"}
    assert list(driver.endpoints(lonely)) == ["c1"]
    driver.disconnect(lonely, "c1")
    assert sandbox.interfaces() == {"lo"}
    sandbox.close()
