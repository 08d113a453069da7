"""What ``--publish`` takes, and how ``ps`` lists ports, is what Docker's client takes and lists."""

from __future__ import annotations

import pytest

from sampan.errors import InvalidInput
from sampan.model.network import PortMapping
from sampan_plugins.commands._ports import published, written


@pytest.mark.parametrize(("text", "expected"), [
    ("80", [("", 0, 0, 80, "tcp")]),
    (":80", [("", 0, 0, 80, "tcp")]),
    ("80/", [("", 0, 0, 80, "tcp")]),
    ("8080:80", [("", 8080, 8080, 80, "tcp")]),
    ("0:80", [("", 0, 0, 80, "tcp")]),
    ("53:53/UDP", [("", 53, 53, 53, "udp")]),
    ("80/sctp", [("", 0, 0, 80, "sctp")]),
    ("127.0.0.1:8080:80", [("127.0.0.1", 8080, 8080, 80, "tcp")]),
    ("127.0.0.1::80", [("127.0.0.1", 0, 0, 80, "tcp")]),
    ("[::1]:8081:80", [("::1", 8081, 8081, 80, "tcp")]),
    ("[::1]::80/udp", [("::1", 0, 0, 80, "udp")]),
    ("::1:80:80", [("::1", 80, 80, 80, "tcp")]),
    ("8000-8002:80", [("", 8000, 8002, 80, "tcp")]),
    ("8010-8011:80-81", [("", 8010, 8010, 80, "tcp"), ("", 8011, 8011, 81, "tcp")]),
    ("80-81", [("", 0, 0, 80, "tcp"), ("", 0, 0, 81, "tcp")]),
    ("published=8090,target=80,protocol=udp", [("", 8090, 8090, 80, "udp")]),
    ("target=80", [("", 0, 0, 80, "tcp")]),
])  # fmt: skip
def test_published(text: str, expected: list[tuple[str, int, int, int, str]]) -> None:
    assert [(one.address, one.first, one.last, one.port, one.protocol) for one in published(text)] == expected


@pytest.mark.parametrize(("text", "message"), [
    ("foo", "invalid containerPort: foo"),
    ("1:2:3:4", "invalid IP address: 1:2"),
    ("70000:80", "invalid hostPort: 70000"),
    ("80:70000", "invalid containerPort: 70000"),
    ("8000-8003:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000-8003"),
    ("1.2.3:80:80", "invalid IP address: 1.2.3"),
    ("80/xyz", "invalid proto: xyz"),
    ("80:", "no port specified: 80:<empty>"),
    ("", "no port specified: <empty>"),
    ("a=b,c", "invalid publish opts format (should be name=value but got 'c')"),
    ("localhost:80:80", "invalid IP address: localhost"),
    ("9-8:80", "invalid hostPort: 9-8"),
    ("-1:80", "invalid hostPort: -1"),
    ("80-foo", "invalid containerPort: 80-foo"),
])
def test_what_cannot_be_published(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        published(text)
    assert refused.value.message == message


def test_written_as_docker_lists_them() -> None:
    ports = [
        *_both(80, 18080), *_both(81, 32768), _port(82, 18082, address="127.0.0.1"), *_both(90, 18090),
        *_both(93, 93, "udp"), *_both(94, 94), *_both(95, 95), _port(99),
        _port(100, protocol="udp"), _port(101, protocol="udp"),
    ]
    assert written(reversed(ports)) == (
        "0.0.0.0:93->93/udp, [::]:93->93/udp, 0.0.0.0:94-95->94-95/tcp, [::]:94-95->94-95/tcp, 99/tcp, 100-101/udp, "
        "0.0.0.0:18080->80/tcp, [::]:18080->80/tcp, 0.0.0.0:32768->81/tcp, [::]:32768->81/tcp, "
        "127.0.0.1:18082->82/tcp, 0.0.0.0:18090->90/tcp, [::]:18090->90/tcp"
    )
    assert written([_port(80), _port(82), _port(83)]) == "80/tcp, 82-83/tcp"
    assert written([]) == ""


def _port(port: int, outside: int = 0, protocol: str = "tcp", address: str = "") -> PortMapping:
    return PortMapping(port=port, protocol=protocol, address=address, first=outside, last=outside)


def _both(port: int, outside: int, protocol: str = "tcp") -> list[PortMapping]:
    return [_port(port, outside, protocol, address) for address in ("0.0.0.0", "::")]
