"""Test how containers find each other by name, and the rest of the world by way of the name service."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from dnslib import QTYPE, RCODE, RR, TXT, A, DNSRecord
from tests.core.engine.containers import Bench, bench_at, eventually
from tests.services.names import ask, connected, send, serving

from sampan.engine.naming.forward import framed, receive
from sampan.engine.naming.table import NameTable
from sampan.kernel import netns
from sampan.model.container import Container
from sampan.model.network import Connection, Network
from sampan.store import owner


@pytest.fixture
def drowsy(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose monitors and servers give their memory back after a second."""
    with bench_at(tmp_path, slumber=1) as made:
        yield made


def _network(bench: Bench, name: str, **more: bool) -> Network:
    return bench.engine.create_network(Network(id="", name=name, driver="bridge", **more))


def _start(bench: Bench, name: str, *networks: str | Connection, **spec: object) -> Container:
    connections = tuple(Connection(network=one) if isinstance(one, str) else one for one in networks)
    return bench.start("sleep", "100", name=name, network=connections[0].network, connections=connections, **spec)


def _sandbox(container: Container) -> str:
    return f"/proc/{container.pid}/ns/net"


def _asked(container: Container, name: str, kind: str = "A", *, tcp: bool = False) -> tuple[str, list[str]]:
    return ask(_sandbox(container), name, kind, tcp=tcp)


def _monitor(container: Container) -> int:
    return owner.pid_of(container.monitor)


def _asleep(container: Container) -> bool:
    return b"watch.py" in Path(f"/proc/{_monitor(container)}/cmdline").read_bytes()


def _await_sleep(container: Container) -> None:
    eventually(lambda: _asleep(container))


def _servers(container: Container) -> list[int]:
    """Return the pids of a container's name servers."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if len(words) > 5 and b"server.main" in words[4] and container.id.encode() in words[5]:
            found.append(int(pid))
    return found


@contextmanager
def _world(network: Network) -> Iterator[str]:
    """Be a name server at a network's gateway; yield its address."""

    def answer(query: DNSRecord, tcp: bool) -> DNSRecord | None:
        reply = query.reply()
        match str(query.q.qname):
            case "example.test.":
                reply.add_answer(RR(query.q.qname, QTYPE.A, rdata=A("192.0.2.7"), ttl=1))
            case "large.test.":
                for number in range(40):
                    reply.add_answer(RR(query.q.qname, QTYPE.TXT, rdata=TXT(f"{number:02} {'x' * 50}"), ttl=1))
                reply = reply if tcp else reply.truncate()
            case "broken.test.":
                reply.header.rcode = RCODE.SERVFAIL
            case _:
                reply.header.rcode = RCODE.NXDOMAIN
        return reply

    gateway = network.pools[0].gateway
    with serving(gateway, answer):
        yield gateway


def test_containers_find_those_on_their_networks_and_no_others(bench: Bench) -> None:
    front, back = _network(bench, "front"), _network(bench, "back")
    with _world(front) as gateway:
        web = _start(bench, "web", Connection(network="front", aliases=("www", "Shop")), dns=(gateway,))
        db = _start(bench, "db", Connection(network="back", aliases=("data",)), dns=(gateway,))
        both = _start(bench, "both", "front", Connection(network="back", aliases=("data",)), dns=(gateway,))
        addresses = {one.network: one.address for one in both.endpoints}
        (at_web,), (at_db,) = ([one.endpoints[0].address] for one in (web, db))
        for name in ("web", "www", "shop", "WEB", web.short_id, "web.front", "www.front"):
            assert _asked(both, name) == _asked(web, name) == ("NOERROR", [at_web])
            assert _asked(db, name) == ("NXDOMAIN", [])
        assert _asked(both, "both") == ("NOERROR", sorted(addresses.values()))
        assert _asked(web, "both") == ("NOERROR", [addresses[front.id]])
        assert _asked(db, "both") == ("NOERROR", [addresses[back.id]])
        assert _asked(db, "data") == ("NOERROR", sorted([at_db, addresses[back.id]]))
        assert _asked(web, "data") == ("NXDOMAIN", [])
        assert _asked(both, "web", "AAAA") == _asked(both, "web", "MX") == ("NOERROR", [])
        reverse = ip_address(at_web).reverse_pointer
        assert _asked(both, reverse, "PTR") == ("NOERROR", ["web.front"])
        assert _asked(db, reverse, "PTR") == ("NXDOMAIN", [])
        assert _asked(both, "db", tcp=True) == ("NOERROR", [at_db])
        assert bench.shell("ping -c1 web", network="back", connections=(
            Connection(network="back"), Connection(network="front"),
        ))


def test_ipv6_addresses_have_names_too(bench: Bench) -> None:
    _network(bench, "six", ipv6=True)
    one = _start(bench, "one", "six")
    (endpoint,) = one.endpoints
    assert _asked(one, "one", "AAAA") == ("NOERROR", [endpoint.address6])
    assert _asked(one, ip_address(endpoint.address6).reverse_pointer, "PTR") == ("NOERROR", ["one.six"])


def test_a_name_that_is_too_long_for_a_record(bench: Bench) -> None:
    _network(bench, "web")
    one, other = _start(bench, "one", "web"), _start(bench, "x" * 80, "web")
    address = other.endpoints[0].address
    assert _asked(one, "one")[0] == "NOERROR"
    (server,) = _servers(one)
    assert _asked(one, ip_address(address).reverse_pointer, "PTR") == ("SERVFAIL", [])
    assert _servers(one) == [server]


def test_names_follow_what_becomes_of_containers(bench: Bench) -> None:
    with _world(_network(bench, "web")) as gateway:
        one, two = (_start(bench, name, "web", dns=(gateway,)) for name in ("one", "two"))
        assert _asked(one, "two") == ("NOERROR", [two.endpoints[0].address])
        bench.engine.rename("two", "three")
        assert _asked(one, "two") == ("NXDOMAIN", [])
        assert _asked(one, "three") == ("NOERROR", [two.endpoints[0].address])
        bench.engine.pause("three")
        assert _asked(one, "three") == ("NOERROR", [two.endpoints[0].address])
        bench.engine.unpause("three")
        os.kill(_monitor(two), signal.SIGKILL)
        eventually(lambda: not owner.alive(two.monitor))
        assert _asked(one, "three") == ("NXDOMAIN", [])
        bench.engine.start("three")
        assert _asked(one, "three")[0] == "NOERROR"
        bench.engine.stop("three", timeout=0)
        assert _asked(one, "three") == ("NXDOMAIN", [])


def test_all_else_is_asked_of_others(bench: Bench) -> None:
    network = _network(bench, "web")
    with _world(network) as gateway:
        one = _start(bench, "one", "web", dns=("127.0.0.1", gateway))
        for name, kind, tcp, expected in (
            ("example.test", "A", False, ("NOERROR", ["192.0.2.7"])),
            ("example.test", "A", True, ("NOERROR", ["192.0.2.7"])),
            ("nowhere.test", "A", False, ("NXDOMAIN", [])),
            ("broken.test", "A", False, ("SERVFAIL", [])),
        ):
            assert _asked(one, name, kind, tcp=tcp) == expected
        assert _asked(one, "large.test", "TXT")[0] == "TRUNCATED"
        code, records = _asked(one, "large.test", "TXT", tcp=True)
        assert code == "NOERROR" and len(records) == 40
    assert _asked(one, "example.test") == ("SERVFAIL", [])


def test_what_a_container_finds_in_resolv_conf(bench: Bench) -> None:
    _network(bench, "web")
    given = {"dns": ("192.0.2.1",), "dns_search": ("a.example",), "dns_options": ("timeout:1",)}
    assert bench.shell("cat /etc/resolv.conf", network="web", **given) == (
        "search a.example\nnameserver 127.0.0.11\noptions timeout:1 ndots:0\n"
    )
    assert "127.0.0.11" not in bench.shell("cat /etc/resolv.conf", network="bridge")


def test_one_that_is_connected_while_it_runs_finds_names_from_then_on(drowsy: Bench) -> None:
    network = _network(drowsy, "web")
    with _world(network) as gateway:
        other = _start(drowsy, "other", "web")
        one, edited = (_start(drowsy, name, "bridge", dns=(gateway,)) for name in ("one", "edited"))
        for container in (one, edited):
            _await_sleep(container)
        confs = [Path(drowsy.engine.layout.container(name.id), "resolv.conf") for name in (one, edited)]
        confs[1].write_text("nameserver 192.0.2.1\n")
        for container in (one, edited):
            drowsy.engine.connect(container.id, Connection(network="web", aliases=("alias",)))
            assert _asked(container, "other") == ("NOERROR", [other.endpoints[0].address])
        assert [conf.read_text() for conf in confs] == [
            "nameserver 127.0.0.11\noptions ndots:0\n", "nameserver 192.0.2.1\n",
        ]
        assert len(_asked(other, "alias")[1]) == 2
        drowsy.engine.disconnect("one", "web")
        assert len(_asked(other, "alias")[1]) == 1
        assert _asked(one, "other")[1] == []


def test_the_container_can_serve_names_itself(bench: Bench) -> None:
    _network(bench, "web")
    one = _start(bench, "one", "web")
    with netns.entered(_sandbox(one)):
        own = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
    for server in own:
        server.bind(("", 53))
    assert _asked(one, "one") == _asked(one, "one", tcp=True) == ("NOERROR", [one.endpoints[0].address])
    for server in own:
        server.close()


def test_whatever_is_sent_to_it(bench: Bench) -> None:
    with _world(_network(bench, "web")) as gateway:
        one = _start(bench, "one", "web", dns=(gateway,))
        good = bytes(DNSRecord.question("one").pack())
        looping = good[:12] + b"\xc0\x0c\x00\x01\x00\x01"
        for bad, code in (
            (good[:12], "FORMERR"), (looping, "FORMERR"), (good[:4] + b"\xff\xff" + good[6:], "FORMERR"),
            (good[:2] + b"\x28\x00" + good[4:], "NOTIMP"), (good + os.urandom(4100), "FORMERR"),
            (good[:4] + b"\0\0" + good[6:12], "NOTIMP"),
        ):
            for tcp in (False, True):
                reply = send(_sandbox(one), bad, tcp=tcp)
                assert reply[:2] == bad[:2] and RCODE[reply[3] & 0xF] == code
        with connected(_sandbox(one)) as udp, connected(_sandbox(one), tcp=True) as tcp_one:
            for size in (0, 1, 11, 12, 100, 5000):
                udp.send(os.urandom(size))
            udp.send(good[:2] + b"\x80" + good[3:])  # an answer, to nothing
            tcp_one.sendall(framed(good[:5]))
            assert tcp_one.recv(10) == b""
        (server,) = _servers(one)
        assert _asked(one, "one")[0] == "NOERROR" and _servers(one) == [server]


def test_too_many_connections_are_turned_away(bench: Bench) -> None:
    _network(bench, "web")
    one = _start(bench, "one", "web")
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(_sandbox(one), tcp=True)) for _ in range(33)]
        assert connections[-1].recv(1) == b""
        assert _asked(one, "one")[0] == "NOERROR"
    with connected(_sandbox(one), tcp=True) as connection:
        connection.sendall(framed(bytes(DNSRecord.question("one").pack())))
        assert receive(connection)


def test_a_server_ends_when_idle_and_nobody_wakes_for_a_question(drowsy: Bench) -> None:
    _network(drowsy, "web")
    one = _start(drowsy, "one", "web")
    assert _servers(one) == []
    _await_sleep(one)
    for _ in range(2):
        assert _asked(one, "one")[0] == "NOERROR"
        (server,) = _servers(one)
        held = {os.readlink(entry) for entry in Path(f"/proc/{server}/fd").iterdir()}
        assert not any(name.startswith("pipe:") for name in held)
        assert _asleep(one)
        eventually(lambda: _servers(one) == [])
    assert _asked(one, "one")[0] == "NOERROR"
    with drowsy.engine.attach(one.id):  # wakes the monitor, which now has the server
        eventually(lambda: not _asleep(one))
        assert _asked(one, "one")[0] == "NOERROR"
        eventually(lambda: _servers(one) == [])
        assert _asked(one, "one")[0] == "NOERROR"


def test_a_server_that_is_killed_is_replaced(drowsy: Bench) -> None:
    _network(drowsy, "web")
    one = _start(drowsy, "one", "web")
    for _ in range(2):
        assert _asked(one, "one")[0] == "NOERROR"
        (server,) = _servers(one)
        os.kill(server, signal.SIGKILL)
        eventually(lambda: _servers(one) == [])
        _await_sleep(one)


@pytest.mark.parametrize("how", ["stop", "kill", "kill its monitor"])
def test_nothing_of_it_outlives_the_run(bench: Bench, how: str) -> None:
    _network(bench, "web")
    one = _start(bench, "one", "web")
    assert _asked(one, "one")[0] == "NOERROR"
    (server,) = _servers(one)
    if how == "stop":
        bench.engine.stop(one.id, timeout=0)
    elif how == "kill":
        bench.engine.kill(one.id)
        bench.engine.wait(one.id)
    else:
        os.kill(_monitor(one), signal.SIGKILL)
        eventually(lambda: not os.path.exists(f"/proc/{server}"))
    assert not os.path.exists(f"/proc/{server}")


def test_more_addresses_than_a_datagram_takes(bench: Bench) -> None:
    store = bench.engine.store
    _network(bench, "web")
    one = _start(bench, "one", Connection(network="web", aliases=("crowd",)))
    addresses = [f"192.0.2.{number}" for number in range(1, 61)]
    crowd = [
        msgspec.structs.replace(
            one, id=os.urandom(32).hex(), name=address, monitor=owner.current(),
            endpoints=(msgspec.structs.replace(one.endpoints[0], address=address),),
        )
        for address in addresses
    ]
    for member in crowd:
        store.containers.add(member)
    try:
        assert _asked(one, "crowd")[0] == "TRUNCATED"
        assert _asked(one, "crowd", tcp=True) == ("NOERROR", sorted([one.endpoints[0].address, *addresses]))
    finally:
        with store.database.transaction() as cursor:
            for member in crowd:
                store.containers.remove(cursor, member.id)
    assert _asked(one, "crowd") == ("NOERROR", [one.endpoints[0].address])


def test_who_has_no_way_out_has_none_by_the_host_either(bench: Bench) -> None:
    _network(bench, "web")
    _network(bench, "closed", internal=True)
    for networks, expected in ((("closed",), False), (("closed", "web"), True)):
        container = _start(bench, "-".join(networks), *networks)
        assert NameTable(bench.engine.store, container.id).leads_out is expected
