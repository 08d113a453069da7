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
from sampan.testing.sandbox import Sandbox, fresh_host, listener, reaches, route_out, talk
from sampan_plugins.network.bridge.driver import BridgeDriver

HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"
HOST6, OUTSIDE6 = "2001:db8:1::1", "2001:db8:1::2"
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
        _cable("uplink", HOST, HOST6)
        with self.outside.entered():
            _cable("eth0", OUTSIDE, OUTSIDE6)
            _await_carrier("eth0")
        _await_carrier("uplink")
        # A new namespace inherits the setting of the machine the tests run on.
        for knob in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            with open(f"/proc/sys/net/{knob}", "w") as file:
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

    def seen_outside(self, source: Sandbox, *, ipv6: bool = False) -> str | None:
        """Return the address that the outside sees when ``source`` connects, None when it cannot."""
        with ExitStack() as stack:
            with self.outside.entered():
                server = stack.enter_context(listener(OUTSIDE6 if ipv6 else OUTSIDE))
            with source.entered():
                client = stack.enter_context(socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET))
            client.settimeout(0.3)
            try:
                return talk(client, server)
            except OSError:
                return None

    def route_back(self, subnet: str) -> None:
        """Let the outside route a network's subnet by the host, as a curious neighbour could."""
        with self.outside.entered():
            run("ip", "route", "add", subnet, "via", HOST6 if ":" in subnet else HOST)


def _cable(name: str, *addresses: str) -> None:
    for address in addresses:
        extra = ["/64", "nodad"] if ":" in address else ["/24"]
        run("ip", "address", "add", address + extra[0], "dev", name, *extra[1:])
    run("ip", "link", "set", name, "up")


def _await_carrier(name: str) -> None:
    """Wait until the kernel takes notice of a cable, before which it answers no neighbour that asks by IPv6."""
    while " state UP " not in run("ip", "link", "show", name):
        pass


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


def both(machine: Machine, **settings: object) -> Network:
    """Return a new network of both families."""
    wanted = Network(id="both", name="both", driver="bridge", ipv6=True)
    return machine.driver.create(msgspec.structs.replace(wanted, **settings))


def test_ipv6_reaches_out_and_strangers_do_not_reach_in(machine: Machine) -> None:
    network = both(machine)
    sandbox, endpoint = machine.connect("c1", network)
    assert machine.seen_outside(sandbox, ipv6=True) == HOST6
    assert machine.seen_outside(sandbox) == HOST
    machine.route_back(network.pools[1].subnet)
    assert not reaches(machine.outside, sandbox, endpoint.address6, patience=0.3)
    other, _endpoint = machine.connect("c2", machine.driver.create(
        Network(id="more", name="more", driver="bridge", ipv4=False, ipv6=True)
    ))
    assert not reaches(other, sandbox, endpoint.address6, patience=0.3)
    assert machine.seen_outside(other, ipv6=True) == HOST6


def test_ipv6_of_an_internal_network_stays_inside(machine: Machine) -> None:
    network = both(machine, internal=True)
    sandbox, _endpoint = machine.connect("c1", network)
    with sandbox.entered():
        run("ip", "route", "add", "default", "via", network.pools[1].gateway)
    assert machine.seen_outside(sandbox, ipv6=True) is None


def test_ip6tables_that_drop_by_policy_let_the_bridge_through(machine: Machine) -> None:
    run("ip6tables", "-P", "FORWARD", "DROP")
    sandbox, _endpoint = machine.connect("c1", both(machine))
    assert machine.seen_outside(sandbox, ipv6=True) == HOST6
    machine.driver.disconnect(both(machine), "c1")
    machine.driver.remove(both(machine))
    assert run("ip6tables", "-S", "FORWARD").split() == ["-P", "FORWARD", "DROP"]
    assert "sampan" not in run("nft", "list", "ruleset")


def test_containers_that_are_kept_from_each_other(machine: Machine) -> None:
    network = both(machine, options={"com.docker.network.bridge.enable_icc": "false"})
    one, first = machine.connect("c1", network)
    two, second = machine.connect("c2", network)
    assert reaches(None, one, first.address) and machine.seen_outside(one) == HOST
    for address in (second.address, second.address6):
        assert not reaches(one, two, address, patience=0.3)
    with one.entered():  # nor by way of the gateway
        run("ip", "route", "add", second.address, "via", first.gateway)
        run("ip", "route", "add", second.address6, "via", first.gateway6)
    for address in (second.address, second.address6):
        assert not reaches(one, two, address, patience=0.3)


def test_a_bridge_made_anew_keeps_containers_from_each_other_too(machine: Machine) -> None:
    network = both(machine, options={"icc": "false"})
    one, first = machine.connect("c1", network)
    two, second = machine.connect("c2", network)
    run("ip", "link", "delete", "br-both")
    machine.connect("c3", network)
    assert reaches(None, one, first.address) and reaches(None, two, second.address6)
    assert not reaches(one, two, second.address, patience=0.3)
