"""What the cni driver promises beyond the contract: what plugins are told, and that they undo what they did."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.network.cni.conftest import Configure

from sampan.errors import InvalidInput, NotFound, SampanError, Unavailable, Unsupported
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool, PortMapping
from sampan.testing.forking import forked
from sampan.testing.sandbox import Sandbox, fresh_host, reaches
from sampan_plugins.network.cni.driver import CniDriver

RECORDER = """#!/bin/sh
[ $CNI_COMMAND = VERSION ] && exec echo '{"cniVersion": "1.0.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0"]}'
input=$(cat)
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $(echo "$input" | tr -d '\\n')" >> TRACE
[ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.9.9.9/24"}]}'
"""
BROKEN = """#!/bin/sh
[ $CNI_COMMAND = VERSION ] && exec echo '{"supportedVersions": ["1.0.0"]}'
[ $CNI_COMMAND = ADD ] || exit 0
WORDS; exit 1
"""


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    with fresh_host():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A directory for plugins, and their trace."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


@pytest.fixture
def driver(tmp_path: Path, path: Path) -> CniDriver:
    return CniDriver(str(tmp_path / "root"), {"path": f"{path}:/usr/lib/cni", "directories": str(tmp_path)})


def program(path: Path, name: str, text: str) -> None:
    (path / name).write_text(text)
    (path / name).chmod(0o755)


def network(config: str, name: str = "n1", **settings: Any) -> Network:
    return Network(id=name, name=name, driver="cni", options={"config": config}, **settings)


def connect(driver: CniDriver, network: Network, sandbox: Sandbox, **asked: Any) -> Endpoint:
    return driver.connect(network, sandbox.path, EndpointRequest(container="c1", **asked))


def links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_a_bridge_that_plugins_leave_goes_with_the_network(
    driver: CniDriver, configure: Configure, version: str
) -> None:
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True}
    tuning = {"type": "tuning", "capabilities": {"mac": True}}
    chain = configure(bridge, tuning, version=version)
    before, sandbox, bridged = links(), Sandbox(), network(chain)
    assert driver.create(bridged).pools == (Pool(subnet="10.55.0.0/16", gateway="10.55.0.1"),)
    endpoint = connect(driver, bridged, sandbox, mac="02:00:00:00:55:09")
    assert (endpoint.interface, endpoint.address, endpoint.prefix) == ("eth0", "10.55.0.2", 16)
    assert (endpoint.gateway, endpoint.mac) == ("10.55.0.1", "02:00:00:00:55:09")
    with sandbox.entered():
        assert "default" not in ip("route")
    assert reaches(None, sandbox, endpoint.address)
    assert driver.fault(bridged, "c1") == ""
    driver.disconnect(bridged, "c1")
    assert sandbox.interfaces() == {"lo"}
    driver.remove(bridged)
    assert links() == before
    sandbox.close()


def test_what_plugins_are_told(driver: CniDriver, configure: Configure, path: Path) -> None:
    trace = path / "trace"
    program(path, "recorder", RECORDER.replace("TRACE", str(trace)))
    takes = {"portMappings": True, "aliases": True, "mac": False}
    told = network(configure({"type": "ptp"}, {"type": "recorder", "capabilities": takes, "own": 1}))
    sandbox = Sandbox()
    wanted = PortMapping(port=80, address="127.0.0.1", first=8080, last=8080)
    endpoint = connect(driver, told, sandbox, ports=(wanted,), aliases=("data",))
    assert (endpoint.address, endpoint.ports) == ("10.9.9.9", (wanted,))
    driver.disconnect(told, "c1")
    lines = [line.split(" ", 3) for line in trace.read_text().splitlines()]
    assert [line[:3] for line in lines] == [["ADD", "c1", "eth0"], ["DEL", "c1", "eth0"]]
    added, removed = (json.loads(line[3]) for line in lines)
    assert "capabilities" not in added and (added["own"], added["name"], added["cniVersion"]) == (1, "net", "1.0.0")
    assert added["runtimeConfig"] == removed["runtimeConfig"] == {
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"}],
        "aliases": ["data"],
    }
    assert added["prevResult"]["ips"][0]["address"] == "10.55.0.2/16"
    assert removed["prevResult"]["ips"] == [{"address": "10.9.9.9/24"}]
    sandbox.close()


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("""printf %s '{"code": 11, "msg": "try\\nagain", "details": "later"}'""", Unavailable, "try again: later"),
        ("""echo '{"code": 7, "msg": "bad"}'""", InvalidInput, "bad"),
        ("""echo one >&2; echo 'panic: two' >&2""", Unavailable, "panic: two"),
        ("", Unavailable, "it does not say why"),
    ],
)
def test_a_plugin_that_fails_is_told_of_in_a_line(
    driver: CniDriver, configure: Configure, path: Path, words: str, error: type[SampanError], message: str
) -> None:
    program(path, "broken", BROKEN.replace("WORDS", words or ":"))
    before, sandbox, broken = links(), Sandbox(), network(configure({"type": "ptp"}, {"type": "broken"}))
    with pytest.raises(error) as caught:
        connect(driver, broken, sandbox)
    assert caught.value.message == f"the CNI plugin broken failed: {message}"
    assert (list(driver.endpoints(broken)), sandbox.interfaces(), links()) == ([], {"lo"}, before)
    sandbox.close()


def test_what_is_not_there_is_named(driver: CniDriver, configure: Configure, tmp_path: Path) -> None:
    for config, error, message in (
        (configure({"type": "nosuch"}, name="a"), Unsupported, "there is no CNI plugin nosuch in .*apt install"),
        (configure(name="b", version="0.2.0"), Unsupported, "is of version 0.2.0 .*known are 0.3.0"),
        (configure({"type": "ptp"}, {"type": "firewall"}, name="c", version="0.3.1"), Unsupported, "does not speak"),
        (f"{tmp_path}/nosuch", NotFound, "cannot be read: No such file"),
    ):
        with pytest.raises(error, match=message):
            driver.create(network(config))
    (tmp_path / "odd.conf").write_text("{")
    for options, expected, message in (
        ({"name": "other"}, NotFound, "no CNI configuration in .* is called other"),
        ({}, InvalidInput, "needs a configuration"),
        ({"config": f"{tmp_path}/odd.conf"}, InvalidInput, "is not JSON"),
        ({"nam": "x"}, InvalidInput, "did you mean 'name'"),
    ):
        with pytest.raises(expected, match=message):
            driver.create(Network(id="n1", name="n1", driver="cni", options=options))
    configure(name="found")
    assert driver.create(Network(id="n1", name="n1", driver="cni", options={"name": "found"})).pools


def test_what_no_plugin_takes_is_refused(driver: CniDriver, configure: Configure) -> None:
    sandbox, plain = Sandbox(), network(configure())
    for asked, message in (
        ({"address": "10.55.0.9"}, "the capability ips"), ({"mac": "02:00:00:00:00:01"}, "the capability mac"),
        ({"ports": (PortMapping(port=80),)}, "the capability portMappings"),
    ):
        with pytest.raises(Unsupported, match=message):
            connect(driver, plain, sandbox, **asked)
    with pytest.raises(InvalidInput, match="It does not belong to any of this network's subnets"):
        connect(driver, plain, sandbox, address="10.99.0.9")
    with pytest.raises(InvalidInput, match="the subnets of a CNI network are those of its configuration"):
        driver.create(network(configure(), "n2", pools=(Pool(subnet="10.1.0.0/24"),)))
    assert list(driver.endpoints(plain)) == []
    sandbox.close()


def test_addresses_are_given_back_after_a_boot(driver: CniDriver, configure: Configure, tmp_path: Path) -> None:
    sandbox, plain = Sandbox(), network(configure())
    connect(driver, plain, sandbox)
    (kept,) = (tmp_path / "root/n1").glob("*.attached")
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "boot": "another"}))
    assert (tmp_path / "addresses/net/10.55.0.2").exists()
    driver.disconnect(plain, "c1")
    assert not (tmp_path / "addresses/net/10.55.0.2").exists()
    assert sandbox.interfaces() == {"lo", "eth0"}  # of this boot, and nothing that one of another may touch
    sandbox.close()


def test_a_killed_connection_to_a_living_sandbox_is_found_again(driver: CniDriver, configure: Configure) -> None:
    sandbox, plain = Sandbox(), network(configure())

    def stopped() -> None:
        driver._note_bridges = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        connect(driver, plain, sandbox)

    os.waitpid(forked(stopped), 0)
    assert sandbox.interfaces() == {"lo", "eth0"}
    driver.disconnect(plain, "c1")
    assert (sandbox.interfaces(), list(driver.endpoints(plain))) == ({"lo"}, [])
    sandbox.close()


def test_a_connection_that_is_not_as_it_was_is_told_of(driver: CniDriver, configure: Configure) -> None:
    sandbox, plain = Sandbox(), network(configure())
    connect(driver, plain, sandbox)
    with sandbox.entered():
        ip("address", "flush", "dev", "eth0")
    assert driver.fault(plain, "c1").startswith("the CNI plugin ptp failed: ")
    driver.disconnect(plain, "c1")
    sandbox.close()
