"""What the bridge driver promises beyond the contract: choice of bridge and subnet, order, repair."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import msgspec
import pytest

from sampan.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable, Unsupported
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool
from sampan.testing.forking import forked
from sampan.testing.sandbox import Sandbox, fresh_host, reaches
from sampan_plugins.network.bridge.driver import BridgeDriver

DEFAULT = Network(id="bridge", name="bridge", driver="bridge")
Open = Callable[..., BridgeDriver]


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def open_driver(tmp_path: object) -> Iterator[Open]:
    def open_driver(where: str = "", **options: object) -> BridgeDriver:
        return BridgeDriver(f"{tmp_path}/root{where}", f"{tmp_path}/run{where}", options)

    with fresh_host():
        yield open_driver


@pytest.fixture
def sandboxes() -> Iterator[Callable[[], Sandbox]]:
    with ExitStack() as stack:

        def sandbox() -> Sandbox:
            made = Sandbox()
            stack.callback(made.close)
            return made

        yield sandbox


@pytest.fixture
def sandbox(sandboxes: Callable[[], Sandbox]) -> Sandbox:
    return sandboxes()


def connect(
    driver: BridgeDriver, sandbox: Sandbox, container: str = "c1", network: Network = DEFAULT, mac: str = ""
) -> Endpoint:
    return driver.connect(network, sandbox.path, EndpointRequest(container=container, mac=mac))


def subnet_of(network: Network) -> str:
    (pool,) = network.pools
    return pool.subnet


def test_the_default_network_needs_no_create(open_driver: Open, sandbox: Sandbox) -> None:
    endpoint = connect(open_driver(), sandbox)
    assert endpoint == Endpoint(
        network="bridge", driver="bridge", interface="eth0", host_interface=endpoint.host_interface,
        address="10.117.0.2", prefix=16, gateway="10.117.0.1", mac="02:42:0a:75:00:02",
    )
    with sandbox.entered():
        assert run("ip", "route", "show", "default") == ""  # the engine's to set
        assert "02:42:0a:75:00:02" in run("ip", "link", "show", "eth0")
        assert "inet6" not in run("ip", "address", "show", "eth0")
    assert "inet6" not in run("ip", "address", "show", "sampan0")


def test_a_subnet_of_the_hosts_routes_is_not_chosen(open_driver: Open, sandbox: Sandbox) -> None:
    run("ip", "route", "add", "blackhole", "10.0.0.0/8", "table", "77")
    run("ip", "address", "add", "172.30.7.7/32", "dev", "lo")
    assert connect(open_driver(), sandbox).address == "172.29.0.2"


def test_the_choice_is_remembered(open_driver: Open, sandboxes: Callable[[], Sandbox]) -> None:
    run("ip", "address", "add", "10.117.9.9/32", "dev", "lo")
    chosen = open_driver().create(DEFAULT)
    assert subnet_of(chosen) == "10.118.0.0/16"
    run("ip", "address", "del", "10.117.9.9/32", "dev", "lo")
    with fresh_host():
        assert subnet_of(open_driver().create(chosen)) == subnet_of(chosen)


def test_a_choice_that_collides_after_a_reboot_is_made_anew(open_driver: Open, sandbox: Sandbox) -> None:
    open_driver().create(DEFAULT)
    with fresh_host():
        run("ip", "address", "add", "10.117.9.9/16", "dev", "lo")
        assert connect(open_driver(), sandbox).address == "10.118.0.2"


def test_a_subnet_the_user_chose_is_not_changed(open_driver: Open, sandbox: Sandbox) -> None:
    driver = open_driver(subnet="10.55.0.0/24")
    assert subnet_of(driver.create(DEFAULT)) == "10.55.0.0/24"
    with fresh_host():
        run("ip", "address", "add", "10.55.0.9/24", "dev", "lo")
        with pytest.raises(Conflict, match=r"10\.55\.0\.0/24 overlaps 10\.55\.0\.\d"):
            connect(driver, sandbox)
        assert list(driver.endpoints(DEFAULT)) == []


def test_two_roots_on_one_host_share_nothing(open_driver: Open, sandboxes: Callable[[], Sandbox]) -> None:
    boxes = [sandboxes() for _ in range(6)]
    pids = [
        forked(lambda n=n, box=box: connect(open_driver(str(n)), box))  # type: ignore[misc]  # mypy and default arguments
        for n, box in enumerate(boxes)
    ]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 6
    bridges = [name for _index, name in socket.if_nameindex() if name.startswith("sampan")]
    assert sorted(bridges) == [f"sampan{n}" for n in range(6)]
    subnets = {subnet_of(open_driver(str(n)).create(DEFAULT)) for n in range(6)}
    assert subnets == {f"10.{n}.0.0/16" for n in range(117, 123)}


def test_the_bridge_of_a_deleted_root_is_taken_over(
    open_driver: Open, sandboxes: Callable[[], Sandbox], tmp_path: object
) -> None:
    busy, idle = open_driver("busy"), open_driver("idle")
    connect(busy, sandboxes())
    idle.create(DEFAULT)
    for where in ("busy", "idle"):
        shutil.rmtree(f"{tmp_path}/root{where}")
    connect(open_driver(), sandboxes())
    assert {name for _index, name in socket.if_nameindex() if name.startswith("sampan")} == {"sampan0", "sampan1"}
    assert "10.117.0.1" in run("ip", "address", "show", "sampan0")


def test_addresses_rise_and_are_not_reused_until_all_were(
    open_driver: Open, sandboxes: Callable[[], Sandbox]
) -> None:
    driver = open_driver(subnet="10.55.0.0/29")
    given = []
    for n in range(7):
        given.append(connect(driver, sandboxes(), f"c{n}").address)
        driver.disconnect(DEFAULT, f"c{n}")
    assert [address.rpartition(".")[2] for address in given] == ["2", "3", "4", "5", "6", "2", "3"]


def test_an_exhausted_subnet_is_named(open_driver: Open, sandboxes: Callable[[], Sandbox]) -> None:
    driver = open_driver(subnet="10.55.0.0/29")
    for n in range(5):
        connect(driver, sandboxes(), f"c{n}")
    with pytest.raises(Unavailable, match=r"10\.55\.0\.0/29"):
        connect(driver, sandboxes(), "c5")
    driver.disconnect(DEFAULT, "c3")
    assert connect(driver, sandboxes(), "c5").address == "10.55.0.5"


@pytest.mark.parametrize("address", ["10.55.0.0", "10.55.0.7", "10.56.0.2"])
def test_an_address_that_is_no_host_of_the_subnet(open_driver: Open, sandbox: Sandbox, address: str) -> None:
    driver = open_driver(subnet="10.55.0.0/29")
    with pytest.raises(InvalidInput, match=address):
        driver.connect(DEFAULT, sandbox.path, EndpointRequest(container="c1", address=address))


def test_the_gateways_address_is_taken(open_driver: Open, sandbox: Sandbox) -> None:
    driver = open_driver(subnet="10.55.0.0/29")
    with pytest.raises(Conflict, match=r"10\.55\.0\.1"):
        driver.connect(DEFAULT, sandbox.path, EndpointRequest(container="c1", address="10.55.0.1"))


def test_the_name_inside(open_driver: Open, sandbox: Sandbox) -> None:
    request = EndpointRequest(container="c1", interface="web0")
    assert open_driver().connect(DEFAULT, sandbox.path, request).interface == "web0"
    assert sandbox.interfaces() == {"lo", "web0"}


def test_a_mac_asked_for(open_driver: Open, sandbox: Sandbox) -> None:
    assert connect(open_driver(), sandbox, mac="02-00-00-00-AB-01").mac == "02:00:00:00:ab:01"
    with sandbox.entered():
        assert "02:00:00:00:ab:01" in run("ip", "link", "show", "eth0")


@pytest.mark.parametrize("mac", ["nonsense", "02:00:00:00:00", "01:00:00:00:00:01", "00:00:00:00:00:00"])
def test_a_malformed_mac(open_driver: Open, sandbox: Sandbox, mac: str) -> None:
    with pytest.raises(InvalidInput, match=mac):
        connect(open_driver(), sandbox, mac=mac)


def test_the_mtu(open_driver: Open, sandbox: Sandbox) -> None:
    connect(open_driver(mtu=1400), sandbox)
    with sandbox.entered():
        assert "mtu 1400" in run("ip", "link", "show", "eth0")
    assert "mtu 1400" in run("ip", "link", "show", "sampan0")


def test_a_connected_container_is_not_connected_again(open_driver: Open, sandboxes: Callable[[], Sandbox]) -> None:
    driver, first = open_driver(), sandboxes()
    endpoint = connect(driver, first)
    with pytest.raises(Conflict, match="c1 is connected to network bridge already"):
        connect(driver, sandboxes())
    assert reaches(None, first, endpoint.address)
    assert list(driver.endpoints(DEFAULT)) == ["c1"]


def test_a_lease_whose_container_died_unnoticed_is_replaced(
    open_driver: Open, sandboxes: Callable[[], Sandbox]
) -> None:
    driver, first = open_driver(), sandboxes()
    endpoint = connect(driver, first)
    first.close()
    while endpoint.host_interface in dict(map(reversed, socket.if_nameindex())):  # type: ignore[arg-type]  # pairs
        pass
    connect(driver, sandboxes())
    assert list(driver.endpoints(DEFAULT)) == ["c1"]


def test_leases_do_not_outlive_the_boot(open_driver: Open, sandbox: Sandbox, tmp_path: object) -> None:
    driver = open_driver()
    connect(driver, sandbox)
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read().strip()
    where = f"{tmp_path}/root/bridge/leases-"
    os.rename(f"{where}{boot}.json", f"{where}00000000-0000-0000-0000-000000000000.json")
    assert list(driver.endpoints(DEFAULT)) == []
    with fresh_host():
        driver.create(DEFAULT)
        assert os.listdir(f"{tmp_path}/root/bridge") == ["network.json"]
    driver.remove(DEFAULT)
    assert os.listdir(f"{tmp_path}/root") == ["lock"]


def test_unreadable_leases_are_not_guessed_at(
    open_driver: Open, sandboxes: Callable[[], Sandbox], tmp_path: object
) -> None:
    driver = open_driver()
    connect(driver, sandboxes())
    with open("/proc/sys/kernel/random/boot_id") as file:
        path = f"{tmp_path}/root/bridge/leases-{file.read().strip()}.json"
    with open(path, "w") as file:
        file.write("{")
    with pytest.raises(Corrupt, match=path):
        connect(driver, sandboxes(), "c2")


@pytest.mark.parametrize(
    "damage",
    [
        ("ip", "link", "set", "sampan0", "down"),
        ("ip", "address", "flush", "dev", "sampan0"),
        ("ip", "link", "delete", "sampan0"),
    ],
)
def test_a_damaged_bridge_is_repaired(
    open_driver: Open, sandboxes: Callable[[], Sandbox], damage: tuple[str, ...]
) -> None:
    driver = open_driver()
    connect(driver, sandboxes())
    run(*damage)
    second = sandboxes()
    assert reaches(None, second, connect(driver, second, "c2").address)


def test_a_foreign_link_of_the_name_is_left_alone(open_driver: Open, sandbox: Sandbox) -> None:
    run("ip", "link", "add", "mine", "type", "bridge")
    run("ip", "link", "set", "mine", "up")
    with pytest.raises(Conflict, match="mine"):
        connect(open_driver(bridge="mine"), sandbox)
    run("ip", "link", "add", "dull", "type", "veth", "peer", "name", "other")
    with pytest.raises(Conflict, match="dull"):
        open_driver().create(Network(id="x", name="x", driver="bridge", options={"bridge": "dull"}))
    assert {"mine", "dull", "other"} < {name for _index, name in socket.if_nameindex()}


def test_changed_settings_take_effect_when_nobody_uses_the_network(
    open_driver: Open, sandboxes: Callable[[], Sandbox]
) -> None:
    driver = open_driver()
    connect(driver, sandboxes())
    changed = open_driver(subnet="10.55.0.0/24", bridge="other0")
    with pytest.raises(Conflict, match="settings of network bridge have changed"):
        connect(changed, sandboxes(), "c2")
    driver.disconnect(DEFAULT, "c1")
    assert connect(changed, sandboxes(), "c2").address == "10.55.0.2"
    assert {name for _index, name in socket.if_nameindex()} >= {"other0"}
    assert "sampan0" not in {name for _index, name in socket.if_nameindex()}


def test_user_networks(open_driver: Open, sandbox: Sandbox) -> None:
    driver = open_driver()
    asked = Network(
        id="0123456789abcdef", name="web", driver="bridge", pools=(Pool(subnet="10.55.0.0/24", gateway="10.55.0.254"),)
    )
    assert driver.create(asked) == asked
    assert connect(driver, sandbox, network=asked).gateway == "10.55.0.254"
    assert "br-0123456789ab" in {name for _index, name in socket.if_nameindex()}
    with pytest.raises(Conflict, match="web"):
        driver.create(msgspec.structs.replace(asked, id="x", name="x", pools=(Pool(subnet="10.55.0.0/16"),)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pools": (Pool(subnet="10.55.0.1/24"),)}, "it should be 10.55.0.0/24"),
        ({"pools": (Pool(subnet="10.55.0.0"),)}, "invalid CIDR address"),
        ({"pools": (Pool(subnet="10.55.0.0/31"),)}, "from 1 to 29"),
        ({"pools": (Pool(subnet="2001:db8::/64"),)}, "has no IPv6"),
        ({"pools": (Pool(subnet="2001:db8::/126"),), "ipv6": True}, "from 1 to 125"),
        ({"pools": (Pool(subnet="10.55.0.0/24"),), "ipv6": True, "ipv4": False}, "has no IPv4"),
        ({"pools": (Pool(subnet="10.55.0.0/24", gateway="10.56.0.1"),)}, "invalid gateway 10.56.0.1"),
        ({"pools": (Pool(subnet="10.55.0.0/24", gateway="fd00::1"),)}, "invalid gateway fd00::1"),
        ({"pools": (Pool(subnet="10.55.0.0/24", range="10.55.0.0/23"),)}, "it is no part of subnet 10.55.0.0/24"),
        ({"pools": (Pool(subnet="10.55.0.0/24", reserved={"a": "10.56.0.1"}),)}, "invalid aux-address 10.56.0.1"),
        ({"pools": (Pool(gateway="10.55.0.1"),)}, "must have a corresponding subnet"),
        ({"pools": (Pool(subnet="10.55.0.0/24"), Pool(subnet="10.56.0.0/24"))}, "doesn't support multiple subnets"),
        ({"options": {"com.docker.network.driver.mtu": "-5"}}, "invalid MTU number: -5"),
        ({"options": {"com.docker.network.bridge.host_binding_ipv4": "x"}}, "host_binding_ipv4 value: x (nil ip)"),
        ({"options": {"com.docker.network.container_iface_prefix": "../"}}, "invalid interface prefix"),
        ({"options": {"mtu": "large"}}, "failed to parse mtu value: large"),
        ({"options": {"bridge": "../x"}}, "invalid bridge name"),
        ({"id": "../x"}, "invalid network id"),
    ],
)
def test_settings_it_does_not_take(open_driver: Open, settings: dict[str, object], message: str) -> None:
    network = msgspec.structs.replace(Network(id="x", name="x", driver="bridge"), **settings)
    with pytest.raises(InvalidInput) as caught:
        open_driver().create(network)
    assert message in str(caught.value)
    assert [name for _index, name in socket.if_nameindex()] == ["lo"]


def test_dockers_names_of_options(open_driver: Open, sandbox: Sandbox) -> None:
    options = {
        "com.docker.network.bridge.name": "named0", "com.docker.network.driver.mtu": "1300",
        "com.docker.network.bridge.inhibit_ipv4": "false", "com.docker.network.container_iface_prefix": "lan",
        "somebody.elses": "option",
    }  # fmt: skip
    driver = open_driver()
    network = driver.create(Network(id="x", name="x", driver="bridge", options=options))
    assert "mtu 1300" in run("ip", "link", "show", "named0")
    assert driver.connect(network, sandbox.path, EndpointRequest(container="c1")).interface == "lan0"
    other = msgspec.structs.replace(network, id="y", options={"com.docker.network.bridge.inhibit_ipv4": "true"})
    with pytest.raises(Unsupported, match="inhibit_ipv4=true"):
        driver.create(other)


def test_the_default_network_is_described_before_anybody_is_on_it(open_driver: Open, sandbox: Sandbox) -> None:
    told = open_driver().describe(DEFAULT)
    assert told.pools[0].subnet and told.pools[0].gateway
    assert told.options["com.docker.network.bridge.name"] == "sampan0"
    assert [name for _index, name in socket.if_nameindex()] == ["lo"]
    endpoint = open_driver().connect(DEFAULT, sandbox.path, EndpointRequest(container="c1"))
    assert endpoint.gateway == told.pools[0].gateway
    assert open_driver().describe(DEFAULT) == told


def test_link_local_addresses(open_driver: Open, sandbox: Sandbox) -> None:
    driver = open_driver()
    network = driver.create(Network(id="x", name="x", driver="bridge", ipv6=True))
    request = EndpointRequest(container="c1", link_local=("169.254.7.7", "fe80::7:7"))
    driver.connect(network, sandbox.path, request)
    with sandbox.entered():
        shown = run("ip", "address", "show", "eth0")
    assert "inet 169.254.7.7/16 brd 169.254.255.255 scope link" in shown and "inet6 fe80::7:7/64 scope link" in shown
    for wrong in ("10.1.1.1", "169.254.0.0", "2001:db8::1", "nonsense"):
        with pytest.raises(InvalidInput, match=wrong):
            driver.connect(network, sandbox.path, EndpointRequest(container="c2", link_local=(wrong,)))


def test_ipv6_takes_nobody_elses_word_for_the_way(open_driver: Open, sandbox: Sandbox) -> None:
    driver = open_driver()
    driver.connect(driver.create(Network(id="x", name="x", driver="bridge", ipv6=True)), sandbox.path,
                   EndpointRequest(container="c1"))
    for knob in ("/proc/sys/net/ipv6/conf/br-x/accept_ra", "/proc/sys/net/ipv6/conf/eth0/accept_ra"):
        with sandbox.entered() if "eth0" in knob else ExitStack(), open(knob) as file:
            assert file.read() == "0\n"


def test_a_record_of_one_subnet_is_understood(open_driver: Open, sandbox: Sandbox, tmp_path: object) -> None:
    driver = open_driver()
    made = driver.create(Network(id="x", name="x", driver="bridge"))
    former = {"id": "x", "name": "x", "bridge": "br-x", "subnet": subnet_of(made), "gateway": made.pools[0].gateway,
              "automatic": True}
    with open(f"{tmp_path}/root/x/network.json", "wb") as file:
        file.write(msgspec.json.encode(former))
    assert driver.describe(made).pools == made.pools
    assert connect(driver, sandbox, network=made).gateway == made.pools[0].gateway


def test_a_sandbox_that_is_gone_is_named(open_driver: Open) -> None:
    with pytest.raises(NotFound, match="/proc/self/fd/9999"):
        open_driver().connect(DEFAULT, "/proc/self/fd/9999", EndpointRequest(container="c1"))


def test_connecting_imports_little_and_leaves_pyroute2_whole(tmp_path: object) -> None:
    program = f"""
import sys
from sampan.kernel import netns
from sampan.model.network import EndpointRequest, Network
from sampan.testing.sandbox import Sandbox, fresh_host
from sampan_plugins.network.bridge.driver import BridgeDriver

with fresh_host():
    network = Network(id="bridge", name="bridge", driver="bridge")
    BridgeDriver("{tmp_path}/root", "{tmp_path}/run", {{}}).create(network)
    for module in [m for m in sys.modules if m.split(".")[0] in ("asyncio", "ssl", "subprocess")]:
        del sys.modules[module]
    sandbox = Sandbox()
    driver = BridgeDriver("{tmp_path}/root", "{tmp_path}/run", {{}})
    driver.connect(network, sandbox.path, EndpointRequest(container="c1"))
    sandbox.close()
    driver.disconnect(network, "c1")
    print([m for m in sys.modules if m.split(".")[0] in ("asyncio", "ssl", "subprocess", "pyroute2")])
    import pyroute2
    with pyroute2.IPRoute() as whole:
        print(pyroute2.netlink.rtnl.__name__, len(whole.link_lookup(ifname="lo")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.split("\n"), done.stderr) == (["[]", "pyroute2.netlink.rtnl 1", ""], "")
