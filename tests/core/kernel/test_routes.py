"""Test default routes in a namespace of the test's own."""

from __future__ import annotations

import socket
import subprocess

import pytest

from sampan.kernel import routes
from sampan.testing.sandbox import fresh_host


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("family", "address", "gateways"),
    [
        (socket.AF_INET, "192.0.2.1/24", ("192.0.2.2", "192.0.2.3")),
        (socket.AF_INET6, "2001:db8::1/64", ("2001:db8::2", "2001:db8::3")),
    ],
)
def test_a_default_route_is_set_changed_and_ended(
    family: socket.AddressFamily, address: str, gateways: tuple[str, str]
) -> None:
    def default() -> list[str]:
        return run("ip", "-6" if family == socket.AF_INET6 else "-4", "route", "show", "default").splitlines()

    with fresh_host():
        run("ip", "link", "add", "one", "type", "veth", "peer", "name", "other")
        for name in ("one", "other"):
            run("ip", "link", "set", name, "up")
        run("ip", "address", "add", address, "dev", "one", *(["nodad"] if ":" in address else []))
        routes.end(family)
        for gateway in gateways:
            routes.lead(gateway, "one")
            (line,) = default()
            assert line.startswith(f"default via {gateway} dev one")
        routes.lead("::" if ":" in address else "0.0.0.0", "one")
        (line,) = default()
        assert line.startswith("default dev one")
        routes.end(family, "other")
        assert default() == [line]
        routes.end(family, "one")
        assert default() == []


def test_a_gateway_that_is_nowhere_near() -> None:
    with fresh_host(), pytest.raises(OSError):
        routes.lead("198.51.100.1", "lo")
