"""Containers reach out, strangers do not reach in, and what other programs forbid is noticed.

The host is a namespace of its own; the outside world is another, with an address of a test network (RFC 5737).
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pytest

from sampan.model.network import Endpoint, EndpointRequest, Network
from sampan.testing.network import Sandbox, fresh_host, listener, reaches, route_out, talk
from sampan_plugins.network.bridge.driver import BridgeDriver

HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"
DEFAULT = Network(id="bridge", name="bridge", driver="bridge")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Machine:
    """A host with a bridge driver and one network cable, at whose other end is ``outside``."""

    def __init__(self, where: str, stack: ExitStack) -> None:
        self.where = where
        self._stack = stack
        self.outside = self.sandbox()
        run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", self.outside.path)
        run("ip", "address", "add", f"{HOST}/24", "dev", "uplink")
        run("ip", "link", "set", "uplink", "up")
        with self.outside.entered():
            run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "eth0")
            run("ip", "link", "set", "eth0", "up")
        # A new namespace inherits the setting of the machine the tests run on.
        with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
            file.write("0")
        self.driver = self.open()

    def open(self, **options: object) -> BridgeDriver:
        return BridgeDriver(f"{self.where}/root", f"{self.where}/run", options)

    def sandbox(self) -> Sandbox:
        sandbox = Sandbox()
        self._stack.callback(sandbox.close)
        return sandbox

    def connect(self, container: str, network: Network = DEFAULT) -> tuple[Sandbox, Endpoint]:
        sandbox = self.sandbox()
        request = EndpointRequest(container=container)
        endpoint = self.driver.connect(network, sandbox.path, request)
        route_out(sandbox, endpoint)
        return sandbox, endpoint

    def seen_outside(self, source: Sandbox) -> str | None:
        """Return the address that the outside sees when ``source`` connects, None when it cannot."""
        with ExitStack() as stack:
            with self.outside.entered():
                server = stack.enter_context(listener(OUTSIDE))
            with source.entered():
                client = stack.enter_context(socket.socket())
            client.settimeout(0.3)
            try:
                return talk(client, server)
            except OSError:
                return None

    def route_back(self, subnet: str) -> None:
        """Let the outside route a network's subnet by the host, as a curious neighbour could."""
        with self.outside.entered():
            run("ip", "route", "add", subnet, "via", HOST)


@pytest.fixture
def machine(tmp_path: object) -> Iterator[Machine]:
    with fresh_host(), ExitStack() as stack:
        yield Machine(str(tmp_path), stack)


def subnet_of(endpoint: Endpoint) -> str:
    return ".".join(endpoint.address.split(".")[:2]) + ".0.0/16"


def test_a_container_reaches_out_with_the_hosts_address(machine: Machine) -> None:
    sandbox, _endpoint = machine.connect("c1")
    assert machine.seen_outside(sandbox) == HOST


def test_a_neighbour_that_routes_the_subnet_reaches_no_container(machine: Machine) -> None:
    sandbox, endpoint = machine.connect("c1")
    machine.route_back(subnet_of(endpoint))
    assert not reaches(machine.outside, sandbox, endpoint.address, patience=0.3)
    assert reaches(None, sandbox, endpoint.address)


def test_without_firewall_it_is_open_and_unmasked(machine: Machine) -> None:
    machine.driver = machine.open(firewall=False)
    sandbox, endpoint = machine.connect("c1")
    assert machine.seen_outside(sandbox) is None
    machine.route_back(subnet_of(endpoint))
    assert machine.seen_outside(sandbox) == endpoint.address
    assert reaches(machine.outside, sandbox, endpoint.address)
    assert run("nft", "list", "ruleset") == ""


def test_the_firewall_option_takes_effect_on_a_network_that_is_up(machine: Machine) -> None:
    machine.connect("c1")
    machine.driver = machine.open(firewall=False)
    machine.connect("c2")
    assert run("nft", "list", "ruleset") == ""
    machine.driver = machine.open()
    sandbox, _endpoint = machine.connect("c3")
    assert machine.seen_outside(sandbox) == HOST


def test_containers_of_two_networks_do_not_reach_each_other(machine: Machine) -> None:
    second = machine.driver.create(Network(id="second", name="second", driver="bridge"))
    one, _endpoint = machine.connect("c1")
    two, endpoint = machine.connect("c2", second)
    assert not reaches(one, two, endpoint.address, patience=0.3)
    assert machine.seen_outside(one) == machine.seen_outside(two) == HOST


def test_an_internal_network_stays_inside(machine: Machine) -> None:
    internal = Network(id="inner", name="inner", driver="bridge", internal=True)
    network = machine.driver.create(internal)
    one, _endpoint = machine.connect("c1", network)
    two, endpoint = machine.connect("c2", network)
    with one.entered():
        run("ip", "route", "add", "default", "via", network.pools[0].gateway)
    machine.route_back(network.pools[0].subnet)
    assert machine.seen_outside(one) is None
    assert not reaches(machine.outside, two, endpoint.address, patience=0.3)
    assert reaches(one, two, endpoint.address)


def test_an_internal_network_turns_no_forwarding_on(machine: Machine) -> None:
    internal = Network(id="inner", name="inner", driver="bridge", internal=True)
    machine.driver.create(internal)
    assert forwarding() == "0"
    machine.connect("c1")
    assert forwarding() == "1"


def forwarding() -> str:
    with open("/proc/sys/net/ipv4/ip_forward") as file:
        return file.read().strip()


def test_masquerading_can_be_left_out(machine: Machine) -> None:
    plain = Network(id="plain", name="plain", driver="bridge", options={"masquerade": "false"})
    network = machine.driver.create(plain)
    sandbox, endpoint = machine.connect("c1", network)
    machine.route_back(network.pools[0].subnet)
    assert machine.seen_outside(sandbox) == endpoint.address


def test_rules_that_were_flushed_come_back(machine: Machine) -> None:
    machine.connect("c1")
    run("nft", "flush", "ruleset")
    sandbox, _endpoint = machine.connect("c2")
    assert machine.seen_outside(sandbox) == HOST


def test_forwarding_that_was_turned_off_comes_back(machine: Machine) -> None:
    machine.connect("c1")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("0")
    sandbox, _endpoint = machine.connect("c2")
    assert machine.seen_outside(sandbox) == HOST


@pytest.mark.parametrize("first", ["policy", "bridge"])
def test_iptables_that_drop_by_policy_let_the_bridge_through(machine: Machine, first: str) -> None:
    if first == "bridge":
        machine.connect("c0")
    run("iptables", "-P", "FORWARD", "DROP")
    one, _endpoint = machine.connect("c1")
    two, endpoint = machine.connect("c2")
    assert machine.seen_outside(one) == HOST
    assert reaches(one, two, endpoint.address)
    machine.route_back(subnet_of(endpoint))
    assert not reaches(machine.outside, two, endpoint.address, patience=0.3)
    assert run("iptables", "-S", "FORWARD").splitlines() == [
        "-P FORWARD DROP", "-A FORWARD -i sampan0 -j ACCEPT", "-A FORWARD -o sampan0 -j ACCEPT",
    ]


def test_a_bridge_whose_name_ends_alike_is_not_mistaken(machine: Machine) -> None:
    run("iptables", "-P", "FORWARD", "DROP")
    machine.connect("c1")
    for flag in ("-i", "-o"):
        run("iptables", "-D", "FORWARD", flag, "sampan0", "-j", "ACCEPT")
        run("iptables", "-A", "FORWARD", flag, "mysampan0", "-j", "ACCEPT")
    sandbox, _endpoint = machine.connect("c2")
    assert machine.seen_outside(sandbox) == HOST


def test_an_administrators_own_rules_come_first(machine: Machine) -> None:
    run("iptables", "-A", "FORWARD", "-d", OUTSIDE, "-j", "DROP")
    run("iptables", "-P", "FORWARD", "DROP")
    sandbox, _endpoint = machine.connect("c1")
    assert machine.seen_outside(sandbox) is None


def test_another_programs_changes_cost_no_new_rules(machine: Machine) -> None:
    run("iptables", "-P", "FORWARD", "DROP")
    machine.connect("c1")
    before = run("nft", "-a", "list", "ruleset")
    run("nft", "add", "table", "ip", "unrelated")
    machine.connect("c2")
    run("nft", "delete", "table", "ip", "unrelated")
    machine.connect("c3")
    assert run("nft", "-a", "list", "ruleset") == before


def test_removing_takes_every_rule_away(machine: Machine) -> None:
    run("iptables", "-P", "FORWARD", "DROP")
    machine.connect("c1")
    machine.driver.disconnect(DEFAULT, "c1")
    machine.driver.remove(DEFAULT)
    assert run("iptables", "-S", "FORWARD").split() == ["-P", "FORWARD", "DROP"]
    assert "sampan" not in run("nft", "list", "ruleset")


def test_no_address_is_lost_to_a_network_that_cannot_be(machine: Machine) -> None:
    network = machine.driver.create(Network(id="second", name="second", driver="bridge"))
    machine.driver.remove(network)
    again = machine.driver.create(msgspec.structs.replace(network, id="third", name="third"))
    assert again.pools == network.pools
