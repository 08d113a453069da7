"""Use networks on a link of the host's as a user does; the host is a namespace of the test's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from tests.integration.sampan import Sampan

from sampan.testing.sandbox import fresh_host


@pytest.fixture
def host() -> Iterator[None]:
    with fresh_host():
        for command in ("link add up0 type veth peer name far0", "link set up0 up", "link set far0 up"):
            subprocess.run(["ip", *command.split()], check=True)
        yield


def test_the_life_of_a_macvlan_network(sampan: Sampan, host: None) -> None:
    pools = ("--subnet", "10.55.0.0/24", "--gateway", "10.55.0.254", "--ipv6", "--subnet", "fd00:55::/64")
    sampan.run("network", "create", "-d", "macvlan", *pools, "-o", "parent=up0", "lan")
    assert sampan.run("network", "ls", "-f", "driver=macvlan", "--format", "{{.Name}}") == "lan"
    addresses = ("--ip", "10.55.0.7", "--ip6", "fd00:55::7", "--mac-address", "02:00:00:00:55:07")
    flags = ("--network-alias", "data", "-p", "80")
    sampan.run("run", "-d", "--name", "box", "--network", "lan", *flags, *addresses, "bb:1", "sleep", "1000")
    assert "default via 10.55.0.254 dev eth0" in sampan.run("exec", "box", "ip", "route")
    assert "02:00:00:00:55:07" in sampan.run("exec", "box", "ip", "link")
    (shown,) = json.loads(sampan.run("network", "inspect", "lan"))
    (member,) = shown["Containers"].values()
    assert (member["IPv4Address"], member["IPv6Address"]) == ("10.55.0.7/24", "fd00:55::7/64")
    assert sampan.run("port", "box") == ""
    for family, name in (("-4", "box"), ("-6", "data")):
        pinged = sampan.run("run", "--rm", "--network", "lan", "bb:1", "ping", family, "-c1", "-W5", name)
        assert "1 packets received" in pinged
    sampan.run("network", "create", "back")
    sampan.run("network", "connect", "back", "box")
    sampan.run("network", "disconnect", "lan", "box")
    assert "eth0" not in sampan.run("exec", "box", "ip", "-o", "link")
    sampan.run("network", "connect", "--ip", "10.55.0.7", "lan", "box")
    assert "inet 10.55.0.7/24" in sampan.run("exec", "box", "ip", "address", "show", "eth0")
    sampan.run("rm", "-f", "box")
    sampan.run("network", "rm", "lan", "back")


def test_what_is_no_network_of_a_driver_that_has_none(sampan: Sampan, host: None) -> None:
    assert sampan.fails("run", "--network", "macvlan", "bb:1", code=125) == "network macvlan not found"
    refused = "a network cannot be called macvlan as its driver is (choose another name)"
    assert sampan.fails("network", "create", "-d", "macvlan", "macvlan") == refused
    assert "macvlan" not in sampan.run("network", "ls")
