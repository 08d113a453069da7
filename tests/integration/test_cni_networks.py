"""Use networks of CNI plugins as a user does; the host is a namespace of the test's own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.sampan import Sampan

from sampan.testing.sandbox import fresh_host


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    with fresh_host():
        yield


@pytest.fixture
def addresses(sampan: Sampan) -> Path:
    """Have a network ``routed`` be known by its name; return where addresses on loan are remembered."""
    directory = sampan.directory / "net.d"
    directory.mkdir()
    ipam = {
        "type": "host-local", "subnet": "10.55.0.0/24", "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(sampan.directory / "addresses"),
    }  # fmt: skip
    ptp = {"type": "ptp", "capabilities": {"ips": True}, "ipam": ipam}
    ports = {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}
    document = {"cniVersion": "0.4.0", "name": "routed", "plugins": [ptp, ports]}
    (directory / "10-routed.conflist").write_text(json.dumps(document))
    with sampan.config.open("a") as config:
        config.write(f'[options."network/cni"]\ndirectories = "{directory}"\n')
    sampan.run("network", "create", "-d", "cni", "-o", "name=routed", "net")
    return sampan.directory / "addresses/routed"


def test_the_life_of_a_cni_network(sampan: Sampan, addresses: Path) -> None:
    (shown,) = json.loads(sampan.run("network", "inspect", "net"))
    assert shown["IPAM"]["Config"] == [{"Subnet": "10.55.0.0/24", "Gateway": "10.55.0.1"}]
    flags = ("--ip", "10.55.0.80", "--network-alias", "data", "-p", "8080:80")
    sampan.run("run", "-d", "--name", "web", "--network", "net", *flags, "bb:1", "httpd", "-f", "-h", "/etc")
    assert sampan.run("port", "web") == "80/tcp -> 0.0.0.0:8080"
    for address in ("127.0.0.1", "10.55.0.80"):
        with socket.create_connection((address, 8080 if address == "127.0.0.1" else 80), 5) as client:
            client.sendall(b"GET /hostname HTTP/1.0\r\n\r\n")
            assert b"200 OK" in client.recv(100)
    assert "default via 10.55.0.1 dev eth0" in sampan.run("exec", "web", "ip", "route")
    for name in ("web", "data"):
        assert "1 packets received" in sampan.run("run", "--rm", "--network", "net", "bb:1", "ping", "-c1", name)
    assert "web" not in sampan.run("system", "check")
    sampan.run("exec", "--privileged", "web", "ip", "address", "flush", "dev", "eth0")
    told = sampan.result("system", "check")
    assert b"without a sound connection to network net (the CNI plugin ptp failed" in told.stdout
    sampan.run("network", "create", "back")
    sampan.run("network", "connect", "back", "web")
    sampan.run("network", "disconnect", "net", "web")
    assert "eth0" not in sampan.run("exec", "web", "ip", "-o", "link")
    sampan.run("network", "connect", "net", "web")
    assert "eth0" in sampan.run("exec", "web", "ip", "-o", "link")
    sampan.run("rm", "-f", "web")
    sampan.run("network", "rm", "net", "back")


def test_plugins_undo_what_they_did_after_a_monitor_was_killed(sampan: Sampan, addresses: Path) -> None:
    identity = sampan.run("run", "-d", "--name", "box", "--network", "net", "-p", "8081:80", "bb:1", "sleep", "1000")
    first = int(sampan.run("inspect", "-f", "{{.State.Pid}}", "box"))
    monitor = int(Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[1])
    assert (addresses / "10.55.0.2").exists() and "8081" in rules()
    os.kill(monitor, signal.SIGKILL)
    assert sampan.run("ps", "-aq", "--no-trunc", "-f", "status=exited") == identity
    assert not (addresses / "10.55.0.2").exists() and "8081" not in rules()
    sampan.run("rm", "box")
    sampan.run("network", "rm", "net")


def rules() -> str:
    return subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
