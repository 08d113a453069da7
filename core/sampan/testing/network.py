"""Check that a network driver keeps its contract.

A driver's author subclasses the suite and says how the driver is opened::

    class TestMine(NetworkDriverSuite):
        @pytest.fixture
        def make(self):
            def make(root, run_root):
                return MyDriver(root, run_root), Network(id="n1", name="n1", driver="mine")
            return make

``make`` may be called more than once on the same directories, also in other processes: that is what commands
do. What the driver declares as its capabilities decides what is asked of it, nothing else. Other networks that tests
make have the options of that one.

Every test has a host of its own: a fresh network namespace that the test's thread is in, loopback up. So
drivers may name bridges and choose subnets as they would on a machine, tests run in parallel, and nothing that
goes wrong touches the real host. It takes root.
"""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import msgspec
import pytest

from sampan.contracts.network import NetworkDriver
from sampan.errors import Conflict, InvalidInput, NotFound, SampanError
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool, PortMapping
from sampan.testing.forking import forked
from sampan.testing.sandbox import PATIENCE, Sandbox, fresh_host, listener, reaches, route_out

Make = Callable[[str, str], tuple[NetworkDriver, Network]]

_PROCESSES, _EACH = 20, 10

class NetworkDriverSuite:
    """The contract as tests. Subclasses give the fixture ``make``."""

    @pytest.fixture(autouse=True)
    def host(self) -> Iterator[Sandbox]:
        """Give the test a host of its own."""
        with fresh_host() as host:
            yield host

    @pytest.fixture
    def setting(self, make: Make, tmp_path: object) -> Iterator[Setting]:
        """Open the driver in fresh directories."""
        setting = Setting(make, str(tmp_path))
        yield setting
        setting.close()

    def test_an_endpoint_says_where_it_belongs(self, setting: Setting) -> None:
        endpoint = setting.connect("c1")
        assert (endpoint.network, endpoint.driver) == (setting.network.id, setting.network.driver)
        if setting.capabilities.sandboxed:
            assert setting.sandbox("c1").interfaces() == {"lo", endpoint.interface} - {""}

    def test_an_addressed_endpoint_is_complete_and_true(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            assert not setting.connect("c1").address
            return
        endpoint = setting.connect("c1")
        assert endpoint.address and endpoint.mac and 0 < endpoint.prefix <= 128
        with setting.sandbox("c1").entered(), listener(endpoint.address):
            pass

    def test_without_a_sandbox_nothing_changes_on_the_host(self, setting: Setting) -> None:
        if not setting.capabilities.sandboxed:
            before = _links()
            setting.connect("c1")
            assert _links() == before

    def test_the_wrong_kind_of_sandbox_is_refused(self, setting: Setting) -> None:
        sandbox = Sandbox()
        wrong = None if setting.capabilities.sandboxed else sandbox.path
        try:
            with pytest.raises(SampanError):
                setting.driver.connect(setting.network, wrong, EndpointRequest(container="c1"))
        finally:
            sandbox.close()
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_containers_and_the_host_reach_each_other(self, setting: Setting) -> None:
        one, two = setting.connect("c1"), setting.connect("c2")
        if setting.capabilities.addressed:
            assert reaches(setting.sandbox("c1"), setting.sandbox("c2"), two.address)
            assert reaches(setting.sandbox("c2"), setting.sandbox("c1"), one.address)
            assert setting.reachable("c1", one.address)

    def test_no_address_is_given_twice_to_two_hundred_containers_at_once(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            return
        sandboxes = {f"c{n}": setting.sandbox(f"c{n}") for n in range(_PROCESSES * _EACH)}
        report, told = os.pipe()

        def connect(containers: list[str]) -> None:
            driver, network = setting.open()
            for container in containers:
                request = EndpointRequest(container=container)
                endpoint = driver.connect(network, sandboxes[container].path, request)
                os.write(told, f"{endpoint.address}\n".encode())

        pids = [forked(partial(connect, list(sandboxes)[n::_PROCESSES])) for n in range(_PROCESSES)]
        os.close(told)
        with os.fdopen(report) as file:
            addresses = file.read().split()
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * _PROCESSES
        assert len(set(addresses)) == len(addresses) == len(sandboxes)
        assert sorted(setting.driver.endpoints(setting.network)) == sorted(sandboxes)
        for container in sandboxes:
            setting.disconnect(container)
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_an_address_is_not_reused_at_once(self, setting: Setting) -> None:
        if setting.capabilities.addressed:
            first = setting.connect("c1").address
            setting.disconnect("c1")
            assert setting.connect("c2").address != first

    def test_an_address_asked_for_is_given_once(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            return
        wanted = setting.connect("c1").address
        with pytest.raises(Conflict, match=wanted):
            setting.connect("c2", address=wanted)
        assert list(setting.driver.endpoints(setting.network)) == ["c1"]
        setting.disconnect("c1")
        assert setting.connect("c2", address=wanted).address == wanted

    def test_a_malformed_address_is_refused(self, setting: Setting) -> None:
        with pytest.raises(InvalidInput):
            setting.connect("c1", address="no address")
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_disconnecting_twice_or_what_never_was_is_fine(self, setting: Setting) -> None:
        setting.driver.disconnect(setting.network, "never")
        setting.connect("c1")
        setting.disconnect("c1")
        setting.driver.disconnect(setting.network, "c1")
        assert list(setting.driver.endpoints(setting.network)) == []

    def test_disconnecting_takes_the_interface_out_of_a_living_sandbox(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.driver.disconnect(setting.network, "c1")
        if setting.capabilities.sandboxed:
            assert setting.sandbox("c1").interfaces() == {"lo"}

    def test_a_container_connects_again(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.disconnect("c1")
        endpoint = setting.connect("c1")
        if endpoint.address:
            assert setting.reachable("c1", endpoint.address)

    def test_a_connected_container_is_not_connected_again(self, setting: Setting) -> None:
        if not setting.capabilities.addressed:
            return
        endpoint, other = setting.connect("c1"), Sandbox()
        with pytest.raises(Conflict):
            setting.driver.connect(setting.network, other.path, EndpointRequest(container="c1"))
        assert other.interfaces() == {"lo"}
        other.close()
        assert setting.reachable("c1", endpoint.address)

    def test_a_failed_connection_leaves_nothing(self, setting: Setting) -> None:
        if not setting.capabilities.sandboxed:
            return
        setting.connect("c1")
        links = _links()
        sandbox = Sandbox()
        sandbox.close()
        if setting.capabilities.addressed:
            with pytest.raises(SampanError):
                setting.driver.connect(setting.network, sandbox.path, EndpointRequest(container="c2"))
        assert "c2" not in set(setting.driver.endpoints(setting.network))
        assert _links() == links

    def test_endpoints_are_those_connected(self, setting: Setting) -> None:
        assert list(setting.driver.endpoints(setting.network)) == []
        setting.connect("c1")
        setting.connect("c2")
        other, network = setting.open()
        assert set(other.endpoints(network)) <= {"c1", "c2"}
        if setting.capabilities.addressed:
            assert set(other.endpoints(network)) == {"c1", "c2"}
        setting.disconnect("c1")
        assert "c1" not in set(other.endpoints(network))

    def test_a_network_in_use_is_not_removed(self, setting: Setting) -> None:
        setting.connect("c1")
        if list(setting.driver.endpoints(setting.network)):
            with pytest.raises(Conflict):
                setting.driver.remove(setting.network)

    def test_removing_leaves_the_host_as_it_was(self, setting: Setting) -> None:
        links, rules = _links(), _rules()
        setting.connect("c1")
        setting.connect("c2")
        setting.disconnect("c1")
        setting.disconnect("c2")
        setting.driver.remove(setting.network)
        setting.driver.remove(setting.network)
        assert _links_settle_to(links)
        assert _rules() == rules

    def test_a_sandbox_that_vanished_takes_everything_along(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.driver.disconnect(setting.network, "never")
        links = _links()
        setting.connect("c2")
        setting.sandbox("c2").close()
        assert _links_settle_to(links)
        setting.driver.disconnect(setting.network, "c2")
        assert "c2" not in set(setting.driver.endpoints(setting.network))

    @pytest.mark.parametrize("microseconds", [0, 300, 1000, 2000, 3000, 5000, 10000, 20000, 40000, 80000])
    def test_a_kill_while_connecting_can_be_undone(self, setting: Setting, microseconds: int) -> None:
        if not setting.capabilities.sandboxed:
            return
        links = _links()
        sandbox = setting.sandbox("c1")
        pid = forked(
            lambda: setting.driver.connect(setting.network, sandbox.path, EndpointRequest(container="c1"))
        )
        time.sleep(microseconds / 1e6)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sandbox.close()
        for container in list(setting.driver.endpoints(setting.network)):
            setting.driver.disconnect(setting.network, container)
        endpoint = setting.connect("c2")
        if endpoint.address:
            assert setting.reachable("c2", endpoint.address)
        setting.disconnect("c2")
        setting.driver.remove(setting.network)
        assert _links_settle_to(links)

    def test_a_reboot_is_made_good_by_the_next_connection(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.sandbox("c1").close()
        with fresh_host():
            shutil.rmtree(setting.run_root, ignore_errors=True)
            driver, network = setting.reopen()
            for container in list(driver.endpoints(network)):
                driver.disconnect(network, container)
            one, two = setting.connect("c2"), setting.connect("c3")
            if setting.capabilities.addressed:
                assert setting.reachable("c2", one.address)
                assert reaches(setting.sandbox("c2"), setting.sandbox("c3"), two.address)
            setting.disconnect("c2")
            setting.disconnect("c3")

    def test_no_descriptor_stays_open(self, setting: Setting) -> None:
        setting.connect("c1")
        setting.disconnect("c1")
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        setting.connect("c1")
        setting.disconnect("c1")
        assert len(os.listdir("/proc/self/fd")) <= before

    def test_the_thread_stays_where_it_was(self, setting: Setting) -> None:
        before = os.readlink("/proc/thread-self/ns/net")
        setting.connect("c1")
        setting.driver.disconnect(setting.network, "c1")
        assert os.readlink("/proc/thread-self/ns/net") == before

    def test_a_published_port_is_the_containers_alone_until_it_is_disconnected(self, setting: Setting) -> None:
        if not setting.capabilities.publishes:
            return
        wanted = PortMapping(port=80, address="127.0.0.1", first=8080, last=8080)
        assert setting.connect("c1", ports=(wanted,)).ports == (wanted,)
        with setting.sandbox("c1").entered():
            server = socket.create_server(("", 80))
        with server, socket.create_connection(("127.0.0.1", 8080), PATIENCE) as client:
            server.settimeout(PATIENCE)
            with server.accept()[0] as accepted:
                accepted.sendall(b"!")
            assert client.recv(1) == b"!"
        for other in (wanted, PortMapping(port=80, first=8080, last=8080)):
            with pytest.raises(Conflict, match="8080"):
                setting.connect("c2", ports=(other,))
        assert list(setting.driver.endpoints(setting.network)) == ["c1"]
        setting.disconnect("c1")
        assert setting.connect("c2", ports=(wanted,)).ports == (wanted,)

    def test_ports_are_published_and_withdrawn_while_connected(self, setting: Setting) -> None:
        if not setting.capabilities.republishes:
            return
        wanted = PortMapping(port=80, address="127.0.0.1", first=8080, last=8080)
        other = msgspec.structs.replace(wanted, first=8081, last=8081)
        setting.connect("c1", ports=(wanted,))
        setting.connect("c2")
        with pytest.raises(Conflict, match="8080"):
            setting.publish("c2", wanted)
        assert setting.publish("c1") == ()
        assert setting.publish("c2", wanted) == setting.publish("c2", wanted) == (wanted,)
        with setting.sandbox("c2").entered():
            server = socket.create_server(("", 80))
        with server, socket.create_connection(("127.0.0.1", 8080), PATIENCE) as client:
            server.settimeout(PATIENCE)
            server.accept()[0].close()
            assert client.recv(1) == b""
        assert setting.publish("c2", other) == (other,)
        assert setting.publish("c1", wanted) == (wanted,)
        setting.disconnect("c2")
        assert setting.publish("c1", other) == (other,)
        with pytest.raises(NotFound):
            setting.publish("c2", wanted)

    def test_free_ports_are_chosen_for_all_addresses(self, setting: Setting) -> None:
        if not setting.capabilities.publishes:
            return
        several = (PortMapping(port=80), PortMapping(port=53, protocol="udp"))
        for found in (setting.connect(container, ports=several).ports for container in ("c1", "c2")):
            assert {(one.port, one.protocol) for one in found} == {(80, "tcp"), (53, "udp")}
            assert {one.address for one in found} <= {"0.0.0.0", "::"}
            assert all(one.first == one.last != 0 for one in found)

    def test_a_created_network_has_its_settings_filled_in(self, setting: Setting) -> None:
        created = setting.driver.create(setting.named("second"))
        assert (created.id, created.name, created.driver) == ("second", "second", setting.network.driver)
        if setting.subnets:
            (pool,) = created.pools
            assert pool.subnet and pool.gateway
            with pytest.raises(Conflict):
                wanted = (Pool(subnet=pool.subnet),)
                setting.driver.create(msgspec.structs.replace(created, id="third", name="third", pools=wanted))
        setting.driver.remove(created)

    def test_an_unknown_network_option_is_refused_or_means_nothing(self, setting: Setting) -> None:
        named = setting.named("second")
        odd = msgspec.structs.replace(named, options={**named.options, "no-such-option": "1"})
        links, rules = _links(), _rules()
        with suppress(InvalidInput):
            setting.driver.remove(setting.driver.create(odd))
        assert _links_settle_to(links)
        assert _rules() == rules

    def test_networks_share_no_address(self, setting: Setting) -> None:
        if not (setting.capabilities.configurable and setting.capabilities.addressed):
            return
        first = setting.connect("c1")
        network = setting.driver.create(setting.named("second"))
        second = setting.connect("c2", network=network)
        assert first.address != second.address
        assert setting.reachable("c2", second.address, network)

    def test_one_container_is_on_two_networks(self, setting: Setting) -> None:
        if not (setting.capabilities.configurable and setting.capabilities.addressed):
            return
        second = setting.driver.create(setting.named("second"))
        first, other = setting.connect("c1"), setting.connect("c1", network=second)
        assert setting.sandbox("c1").interfaces() == {"lo", first.interface, other.interface}
        assert setting.reachable("c1", first.address)
        assert setting.reachable("c1", other.address, second)
        setting.driver.disconnect(second, "c1")
        assert setting.sandbox("c1").interfaces() == {"lo", first.interface}
        assert list(setting.driver.endpoints(setting.network)) == ["c1"]

    def test_a_network_of_both_families(self, setting: Setting) -> None:
        if not (setting.subnets and setting.capabilities.ipv6):
            return
        wanted = msgspec.structs.replace(setting.named("second"), ipv6=True)
        network = setting.driver.create(wanted)
        assert setting.driver.describe(wanted).pools == network.pools
        assert [pool.ipv6 for pool in network.pools] == [False, True]
        one, two = setting.connect("c1", network=network), setting.connect("c2", network=network)
        assert one.gateway6 == network.pools[1].gateway and 0 < one.prefix6 <= 128
        assert len({one.address, one.address6, two.address, two.address6}) == 4
        for address in (two.address, two.address6):
            assert reaches(setting.sandbox("c1"), setting.sandbox("c2"), address)
            assert setting.reachable("c2", address, network)

    def test_a_network_of_ipv6_alone(self, setting: Setting) -> None:
        if not (setting.subnets and setting.capabilities.ipv6):
            return
        pool = Pool(subnet="2001:db8:55::/64", gateway="2001:db8:55::99", range="2001:db8:55::aa00/120")
        wanted = msgspec.structs.replace(setting.named("second"), ipv4=False, ipv6=True, pools=(pool,))
        network = setting.driver.create(wanted)
        endpoint = setting.connect("c1", network=network)
        assert (endpoint.address, endpoint.gateway, endpoint.gateway6) == ("", "", "2001:db8:55::99")
        assert endpoint.address6.startswith("2001:db8:55::aa")
        assert setting.reachable("c1", endpoint.address6, network)

    def test_an_internal_network_has_no_way_out(self, setting: Setting) -> None:
        if not (setting.capabilities.configurable and setting.capabilities.addressed):
            return
        network = setting.driver.create(msgspec.structs.replace(setting.named("second"), internal=True))
        endpoint = setting.connect("c1", network=network)
        assert not endpoint.gateway
        assert not endpoint.gateway6


class Setting:
    """A driver open in directories of its own, and the containers a test connects."""

    def __init__(self, make: Make, where: str) -> None:
        self._make = make
        self._where = where
        self._sandboxes: dict[str, Sandbox] = {}
        self.run_root = f"{where}/run"
        self.driver, self.network = self.open()
        self.capabilities = self.driver.capabilities

    def open(self) -> tuple[NetworkDriver, Network]:
        """Open the driver once more, as another command would."""
        return self._make(f"{self._where}/root", self.run_root)

    def reopen(self) -> tuple[NetworkDriver, Network]:
        """Open the driver anew and use it from here on."""
        self.driver.close()
        self.driver, self.network = self.open()
        return self.driver, self.network

    def named(self, name: str) -> Network:
        """Return the settings of another network of this driver."""
        return msgspec.structs.replace(self.network, id=name, name=name)

    def sandbox(self, container: str) -> Sandbox:
        """Return the container's sandbox, made on the first call."""
        if container not in self._sandboxes:
            self._sandboxes[container] = Sandbox()
        return self._sandboxes[container]

    @property
    def subnets(self) -> bool:
        """Whether networks can be made whose subnets the driver chooses, or the test."""
        return self.capabilities.configurable and self.capabilities.addressed and self.capabilities.subnets

    def reachable(self, container: str, address: str, network: Network | None = None) -> bool:
        """Tell whether a container is reached: from the host, or by a neighbour where that is not how it is."""
        if self.capabilities.reached:
            return reaches(None, self.sandbox(container), address)
        self.connect("neighbour", network)
        try:
            return reaches(self.sandbox("neighbour"), self.sandbox(container), address)
        finally:
            self._sandboxes.pop("neighbour").close()
            self.driver.disconnect(network or self.network, "neighbour")

    def connect(
        self, container: str, network: Network | None = None, address: str = "", ports: tuple[PortMapping, ...] = ()
    ) -> Endpoint:
        """Connect a container in a sandbox of its own, where the driver takes sandboxes."""
        path = self.sandbox(container).path if self.capabilities.sandboxed else None
        request = EndpointRequest(container=container, hostname=container, address=address, ports=ports)
        endpoint = self.driver.connect(network or self.network, path, request)
        route_out(self.sandbox(container), endpoint)
        return endpoint

    def publish(self, container: str, *ports: PortMapping) -> tuple[PortMapping, ...]:
        """Have other ports lead to a container."""
        return self.driver.publish(self.network, EndpointRequest(container=container, ports=ports))

    def disconnect(self, container: str) -> None:
        """End a container as the engine does: its sandbox first, then its endpoint."""
        if container in self._sandboxes:
            self._sandboxes.pop(container).close()
        self.driver.disconnect(self.network, container)

    def close(self) -> None:
        """Let go of everything."""
        for sandbox in self._sandboxes.values():
            sandbox.close()
        self.driver.close()


def _links() -> set[str]:
    return {name for _index, name in socket.if_nameindex()}


def _links_settle_to(expected: set[str]) -> bool:
    # The kernel removes a namespace's links when it gets to it.
    deadline = time.monotonic() + PATIENCE
    while _links() != expected and time.monotonic() < deadline:
        time.sleep(0.002)
    return _links() == expected


def _rules() -> str:
    """Return the host's firewall rules as far as there is a program to tell them."""
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if nft is None:
        return ""
    return subprocess.run([nft, "list", "ruleset"], capture_output=True, text=True, check=True).stdout
