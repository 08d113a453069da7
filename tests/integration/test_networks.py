"""Use networks as a user does."""

from __future__ import annotations

import json
import os

import pytest
from tests.integration.sampan import Sampan


@pytest.fixture
def base() -> str:
    """The first three numbers of a subnet that nobody else uses."""
    first, second = os.urandom(2)
    return f"10.{200 + first % 50}.{second}"


def test_the_life_of_a_network(sampan: Sampan, base: str) -> None:
    flags = ("--subnet", f"{base}.0/24", "--ip-range", f"{base}.64/26", "--aux-address", f"r={base}.65")
    identity = sampan.run("network", "create", *flags, "--label", "a=b", "web")
    sampan.run("network", "create", "net10")
    sampan.run("network", "create", "net9")
    listed = [line.split() for line in sampan.run("network", "ls").splitlines()]
    assert listed[0] == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"] and [len(row[0]) for row in listed[1:]] == [12] * 6
    assert [row[1] for row in listed[1:]] == ["bridge", "host", "net9", "net10", "none", "web"]
    assert listed[6][1:] == ["web", "bridge", "local"] and identity.startswith(listed[6][0])
    assert sampan.run("network", "ls", "-q", "--no-trunc", "-f", "label=a=b") == identity
    form = "{{.Name}} {{.IPv4}} {{.IPv6}} {{.Internal}} {{.Labels}}"
    assert sampan.run("network", "ls", "-f", "name=web", "--format", form) == "web true false false a=b"
    sampan.run("run", "-d", "--name", "box", "--network", "web", "bb:1", "sleep", "1000")
    (shown,) = json.loads(sampan.run("network", "inspect", "-v", "web"))
    assert shown["IPAM"]["Config"] == [
        {"Subnet": f"{base}.0/24", "IPRange": f"{base}.64/26", "Gateway": f"{base}.1",
         "AuxiliaryAddresses": {"r": f"{base}.65"}},
    ]  # fmt: skip
    (member,) = shown["Containers"].values()
    assert (member["Name"], member["IPv4Address"]) == ("box", f"{base}.64/24")
    assert sampan.run("inspect", "-f", "{{.Driver}}", "--type", "network", "web") == "bridge"
    refused = f"error while removing network: network web id {identity} has active endpoints"
    assert sampan.fails("network", "rm", "web") == refused
    assert sampan.run("network", "prune", "-f").splitlines() == ["Deleted Networks:", "net10", "net9"]
    assert sampan.run("network", "prune", "-f") == ""
    sampan.run("rm", "-f", "box")
    assert "Deleted Networks:\nweb\n" in sampan.run("system", "prune", "-f")
    assert sampan.fails("network", "rm", "web") == "network web not found"
    assert sampan.run("network", "rm", "-f", "web") == ""
    assert sampan.fails("network", "rm", "bridge") == "bridge is a pre-defined network and cannot be removed"


def test_connecting_and_disconnecting(sampan: Sampan, base: str) -> None:
    sampan.run("network", "create", "--subnet", f"{base}.0/24", "web")
    sampan.run("network", "create", "back")
    sampan.run("run", "-d", "--name", "box", "--network", "name=back,gw-priority=1", "bb:1", "sleep", "1000")
    flags = ("--ip", f"{base}.77", "--alias", "db,www", "--link-local-ip", "169.254.7.7", "--gw-priority", "2")
    assert sampan.run("network", "connect", *flags, "web", "box") == ""
    seen = sampan.run("exec", "box", "ip", "address", "show", "eth1")
    assert f"inet {base}.77/24" in seen and "inet 169.254.7.7/16" in seen
    assert f"default via {base}.1 dev eth1" in sampan.run("exec", "box", "ip", "route")
    found = json.loads(sampan.run("inspect", "-f", "{{json .NetworkSettings.Networks}}", "box"))
    assert found["web"]["IPAMConfig"] == {"IPv4Address": f"{base}.77", "LinkLocalIPs": ["169.254.7.7"]}
    assert (found["web"]["Aliases"], found["web"]["GwPriority"]) == (["db", "www"], 2)
    assert sampan.run("ps", "--format", "{{.Networks}}", "-f", "network=web") == "back,web"
    assert sampan.run("ps", "-q", "-f", "network=bridge") == ""
    assert sampan.fails("network", "connect", "web", "box") == "endpoint with name box already exists in network web"
    assert sampan.run("network", "disconnect", "web", "box") == ""
    assert "default via" in sampan.run("exec", "box", "ip", "route")
    identity = sampan.run("inspect", "-f", "{{.Id}}", "box")
    refused = f"container {identity} is not connected to network web"
    assert sampan.fails("network", "disconnect", "web", "box") == refused
    told = sampan.run("events", "--since", "1h", "--until", "0s", "-f", "network=web", "--format", "{{.Action}}")
    assert told.split() == ["create", "connect", "disconnect"]


def test_names_and_links(sampan: Sampan) -> None:
    for name in ("web", "back"):
        sampan.run("network", "create", name)
    sampan.run("run", "-d", "--name", "db", "--network", "web", "--network-alias", "data", "bb:1", "sleep", "1000")
    sampan.run("run", "-d", "--name", "box", "--network", "back", "--dns", "127.0.0.1", "bb:1", "sleep", "1000")
    for name in ("db", "data", "mine"):
        pinged = sampan.run("run", "--rm", "--network", "web", "--link", "db:mine", "bb:1", "ping", "-c1", name)
        assert "1 packets received" in pinged
        assert "bad address" in sampan.fails("exec", "box", "ping", "-c1", name, code=1)
    sampan.run("network", "connect", "--link", "db:mine", "web", "box")
    for name in ("db", "data", "mine"):
        assert "1 packets received" in sampan.run("exec", "box", "ping", "-c1", name)
    assert sampan.fails("run", "--link", "box:b", "bb:1", code=125) == (
        "Cannot link to /box, as it does not belong to the default network"
    )


def test_both_families_and_addresses_asked_for(sampan: Sampan) -> None:
    base = f"fd00:{os.urandom(2).hex().replace('0', '1')}:7e57"
    sampan.run("network", "create", "--ipv6", "--subnet", f"{base}::/64", "six")
    sampan.run("run", "-d", "--name", "one", "--network", "six", "--ip6", f"{base}::77", "bb:1", "sleep", "1000")
    assert sampan.run("inspect", "-f", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}", "one") == f"{base}::77"
    sampan.run("run", "--rm", "--network", "six", "bb:1", "ping", "-6", "-c1", "-W5", f"{base}::77")
    assert f"{base}::77\t" in sampan.run("exec", "one", "cat", "/etc/hosts")


def test_what_a_client_refuses(sampan: Sampan, base: str) -> None:
    inside = ("--subnet", f"{base}.0/24")
    for words, message in (
        (("--gateway", "10.9.9.1"), "every ip-range or gateway must have a corresponding subnet"),
        ((*inside, "--gateway", "10.9.9.1"), "no matching subnet for gateway 10.9.9.1"),
        ((*inside, "--ip-range", "10.9.9.0/28"), "no matching subnet for range 10.9.9.0/28"),
        ((*inside, "--aux-address", "a=10.9.9.1"), "no matching subnet for aux-address 10.9.9.1"),
        ((*inside, "--subnet", f"{base}.128/25"), "multiple overlapping subnet configuration is not supported"),
        (("--subnet", f"{base}.0/24,fd00:1::/64", "--gateway", f"{base}.1", "--gateway", f"{base}.2"),
         f"cannot configure multiple gateways ({base}.2, {base}.1) for the same subnet ({base}.0/24)"),
        (("--ingress",), "Ingress network can only be global scope network"),
        (("--scope", "swarm"), "cannot create a swarm scoped network when swarm is not active"),
        (("--ipam-driver", "other"), 'plugin "other" not found'),
        (("-o", "com.docker.network.bridge.enable_icc=foo"),
         'failed to parse com.docker.network.bridge.enable_icc value: foo (strconv.ParseBool: parsing "foo": invalid '
         "syntax)"),
        (("-o", "com.docker.network.driver.mtu=foo"),
         'failed to parse com.docker.network.driver.mtu value: foo (strconv.Atoi: parsing "foo": invalid syntax)'),
    ):
        assert sampan.fails("network", "create", *words, "net") == message
    assert sampan.fails("network", "connect", "web", "nobody") == "No such container: nobody"
    assert sampan.fails("network", "disconnect", "-f", "bridge", "nobody") == "endpoint nobody not found"
    assert sampan.fails("network", "ls", "-f", "foo=x") == "Invalid filter 'foo'"


def test_completion(sampan: Sampan) -> None:
    sampan.run("network", "create", "zebra")
    words = {"_SAMPAN_COMPLETE": "bash_complete", "COMP_WORDS": "sampan network rm ze", "COMP_CWORD": "3"}
    assert sampan.run(env=words) == "plain,zebra"
