"""What a container finds in /etc is Docker's, and nothing malformed gets in."""

from __future__ import annotations

import pytest

from sampan.engine import hostfiles
from sampan.errors import InvalidInput

LOCAL = hostfiles.hosts()


def test_hosts_begin_with_dockers_lines() -> None:
    assert LOCAL.splitlines() == [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "ff00::0\tip6-mcastprefix",
        "ff02::1\tip6-allnodes",
        "ff02::2\tip6-allrouters",
    ]


def test_the_container_finds_itself_last_after_extra_hosts() -> None:
    content = hostfiles.hosts(
        ["10.1.0.2"], ["web.example.com", "77b2dc01cafe"], ["foo:1.2.3.4", "gw:host-gateway"], "10.1.0.1"
    )
    assert content == LOCAL + (
        "1.2.3.4\tfoo\n10.1.0.1\tgw\n10.1.0.2\tweb.example.com web 77b2dc01cafe\n"
    )


def test_a_name_is_written_once() -> None:
    assert hostfiles.hosts(["10.1.0.2"], ["web", "web"]).endswith("10.1.0.2\tweb\n")


def test_inherited_hosts_are_kept_whole() -> None:
    assert hostfiles.hosts(extra=["foo:1.2.3.4"], inherited="127.0.0.1 box") == "127.0.0.1 box\n1.2.3.4\tfoo\n"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("foo:1.2.3.4", ("foo", "1.2.3.4")),
        ("foo=1.2.3.4", ("foo", "1.2.3.4")),
        ("foo:2001:db8::1", ("foo", "2001:db8::1")),
        ("foo=2001:db8::1", ("foo", "2001:db8::1")),
        ("foo:[2001:db8::1]", ("foo", "2001:db8::1")),
        ("foo:host-gateway", ("foo", "host-gateway")),
    ],
)
def test_extra_hosts(entry: str, expected: tuple[str, str]) -> None:
    assert hostfiles.parse_extra_host(entry) == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("foo", 'bad format for add-host: "foo"'),
        (":1.2.3.4", 'bad format for add-host: ":1.2.3.4"'),
        ("a\nb:1.2.3.4", 'bad format for add-host: "a\nb:1.2.3.4"'),
        ("foo:bar", 'invalid IP address in add-host: "bar"'),
        ("foo:1.2.3.4\nevil", 'invalid IP address in add-host: "1.2.3.4\nevil"'),
    ],
)
def test_malformed_extra_hosts(entry: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        hostfiles.hosts(extra=[entry])
    assert caught.value.message == message


def test_host_gateway_needs_a_gateway() -> None:
    with pytest.raises(InvalidInput, match="host-gateway"):
        hostfiles.hosts(extra=["gw:host-gateway"])


HOST = """\
# a comment
domain ignored.example
search one.example two.example
nameserver 127.0.0.53
nameserver 192.0.2.53
nameserver ::1
nameserver 2001:db8::53
nameserver fe80::1%eth0
nameserver nonsense
options ndots:2
options timeout:1
"""


def test_servers_on_loopback_are_left_out() -> None:
    assert hostfiles.resolv_conf(HOST) == (
        "search one.example two.example\nnameserver 192.0.2.53\noptions ndots:2 timeout:1\n"
    )


def test_ipv6_servers_stay_where_there_is_ipv6() -> None:
    assert "nameserver 2001:db8::53\n" in hostfiles.resolv_conf(HOST, ipv6=True)
    assert "::1" not in hostfiles.resolv_conf(HOST, ipv6=True)


def test_the_hosts_network_keeps_the_hosts_servers() -> None:
    content = hostfiles.resolv_conf(HOST, reaches_host=True)
    assert content.count("nameserver") == 5
    assert hostfiles.resolv_conf("", reaches_host=True) == ""


def test_public_servers_when_none_is_left() -> None:
    assert hostfiles.resolv_conf("nameserver 127.0.0.1\n") == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_what_users_give_replaces_the_hosts() -> None:
    content = hostfiles.resolv_conf(HOST, ["127.0.0.1", "9.9.9.9"], ["x.example"], ["rotate"])
    assert content == "search x.example\nnameserver 127.0.0.1\nnameserver 9.9.9.9\noptions rotate\n"


def test_a_dot_clears_the_search_list() -> None:
    assert "search" not in hostfiles.resolv_conf(HOST, search=["."])


def test_a_malformed_server() -> None:
    with pytest.raises(InvalidInput, match="IP address is not correctly formatted: bad"):
        hostfiles.resolv_conf("", ["bad"])


def test_the_host_tells_how_it_resolves() -> None:
    assert isinstance(hostfiles.host_resolv_conf(), str)


def test_hostname() -> None:
    assert hostfiles.hostname("web") == "web\n"


def test_where_there_is_a_name_service_it_alone_is_asked() -> None:
    assert hostfiles.resolver_conf(HOST, ["192.0.2.1"], ["x.example"]) == (
        "search x.example\nnameserver 127.0.0.11\noptions ndots:2 timeout:1\n"
    )
    assert hostfiles.resolver_conf("", options=["rotate"]) == "nameserver 127.0.0.11\noptions rotate ndots:0\n"
    with pytest.raises(InvalidInput, match="IP address is not correctly formatted: bad"):
        hostfiles.resolver_conf("", ["bad"])


def test_the_servers_that_a_name_service_asks() -> None:
    assert hostfiles.upstreams(HOST) == [
        ("127.0.0.53", True), ("192.0.2.53", False), ("::1", True), ("2001:db8::53", False), ("fe80::1%eth0", True),
    ]
    assert hostfiles.upstreams(HOST, ["127.0.0.1", "127.0.0.11"], ["192.0.2.9"]) == [("127.0.0.1", False)]
    assert hostfiles.upstreams(HOST, (), ["192.0.2.9"]) == [("192.0.2.9", False)]
    assert hostfiles.upstreams("") == [("8.8.8.8", False), ("8.8.4.4", False)]
