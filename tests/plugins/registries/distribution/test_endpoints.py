from __future__ import annotations

import pytest

from sampan.errors import InvalidInput
from sampan_plugins.registries.distribution.endpoints import Base, endpoints, is_loopback, origin


@pytest.mark.parametrize(("host", "loopback"), [
    ("localhost", True), ("localhost:5000", True), ("127.0.0.1", True), ("127.9.8.7:80", True), ("[::1]:5000", True),
    ("0.0.0.0", False), ("example.com", False), ("localhost.example.com", False), ("128.0.0.1", False),
    ("127.0.0.1.example.com", False),
])
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(("host", "insecure", "bases"), [
    ("docker.io", False, [Base("https://registry-1.docker.io")]),
    ("example.com:5000", False, [Base("https://example.com:5000")]),
    ("example.com", True, [Base("https://example.com", False), Base("http://example.com", False)]),
    ("localhost:5000", False, [Base("https://localhost:5000", False), Base("http://localhost:5000", False)]),
])
def test_ways(host: str, insecure: bool, bases: list[Base]) -> None:
    [endpoint] = endpoints(host, insecure, ())
    assert (endpoint.host, list(endpoint.bases)) == (host, bases)
    assert endpoint.guarded is all(base.verify for base in bases)


def test_mirrors_come_first_and_are_their_own_hosts() -> None:
    found = endpoints("docker.io", True, ("http://one:5000/", "two", "https://127.0.0.1/hub"))
    assert [endpoint.bases for endpoint in found[:3]] == [
        (Base("http://one:5000", False),), (Base("https://two"),), (Base("https://127.0.0.1/hub", False),)]
    assert [(endpoint.host, endpoint.mirror) for endpoint in found] == [
        ("one:5000", True), ("two", True), ("127.0.0.1", True), ("docker.io", False)]


@pytest.mark.parametrize("address", ["ftp://x", "http://", "http://user:secret@x", "http://x:port", "http://x?y", "http://["])
def test_malformed_mirrors(address: str) -> None:
    with pytest.raises(InvalidInput, match="invalid registry mirror"):
        endpoints("docker.io", False, (address,))


def test_origin() -> None:
    assert origin("https://Example.com/x") == origin("https://example.com:443/y")
    assert origin("https://example.com") != origin("http://example.com")
