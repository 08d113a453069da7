"""Published ports are reached from where Docker's are, and from nowhere else; nobody gets one twice; nothing is left.

The host is a namespace of its own; the outside world is another, with addresses of test networks (RFC 5737, 3849).
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import msgspec
import pytest

from sampan.errors import Conflict, InvalidInput, SampanError, Unavailable
from sampan.model.network import Endpoint, EndpointRequest, Network, PortMapping
from sampan.testing.forking import forked
from sampan.testing.sandbox import Sandbox, fresh_host, route_out
from sampan_plugins.network.bridge import publishing
from sampan_plugins.network.bridge.driver import BridgeDriver

HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"
HOST6, OUTSIDE6 = "2001:db8:1::1", "2001:db8:1::2"
DEFAULT = Network(id="bridge", name="bridge", driver="bridge")
OTHER = Network(id="other", name="other", driver="bridge")
BOTH = Network(id="both", name="both", driver="bridge", ipv6=True)
PATIENCE = 5.0
WEB = PortMapping(port=80, first=8080, last=8080)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Machine:
    """A host with a bridge driver and one network cable, at whose other end is ``outside``."""

    def __init__(self, host: Sandbox, where: str, stack: ExitStack, **options: object) -> None:
        self.host, self.where, self._stack = host, where, stack
        self.outside = self.sandbox()
        run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", self.outside.path)
        for place, name, address, address6 in (
            (self.host, "uplink", HOST, HOST6), (self.outside, "eth0", OUTSIDE, OUTSIDE6),
        ):  # fmt: skip
            with place.entered():
                run("ip", "address", "add", f"{address}/24", "dev", name)
                run("ip", "address", "add", f"{address6}/64", "dev", name, "nodad")
                run("ip", "link", "set", name, "up")
        with self.outside.entered():
            run("ip", "route", "add", "default", "via", HOST)
            run("ip", "-6", "route", "add", "default", "via", HOST6)
        self.sandboxes: dict[str, Sandbox] = {}
        self.driver = self.open(**options)

    def open(self, **options: object) -> BridgeDriver:
        return BridgeDriver(f"{self.where}/root", f"{self.where}/run", options)

    def sandbox(self) -> Sandbox:
        sandbox = Sandbox()
        self._stack.callback(sandbox.close)
        return sandbox

    def connect(self, container: str, *ports: PortMapping, network: Network = DEFAULT) -> Endpoint:
        sandbox = self.sandboxes[container] = self.sandbox()
        request = EndpointRequest(container=container, id="e" * 64, name=f"name-{container}", ports=ports)
        endpoint = self.driver.connect(network, sandbox.path, request)
        self._stack.callback(self.driver.disconnect, network, container)
        route_out(sandbox, endpoint)
        return endpoint

    def serve(self, container: str, port: int = 80, *, datagrams: bool = False) -> None:
        """Have a container tell whoever speaks to a port what it said, and whence."""
        with self.sandboxes[container].entered():
            server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        self._stack.callback(server.close)
        server.bind(("::", port))
        if not datagrams:
            server.listen()
        answer = _answer_datagrams if datagrams else _answer
        threading.Thread(target=answer, args=(server, container), daemon=True).start()
        self._stack.callback(_stop, server)

    def ask(
        self, where: Sandbox, address: str, port: int, *, datagrams: bool = False, patience: float = PATIENCE
    ) -> str:  # fmt: skip
        """Return what is answered at a port, which may be nothing."""
        with where.entered():
            client = socket.socket(_family(address), socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        with client:
            client.settimeout(patience)
            try:
                client.connect((address, port))
                client.sendall(b"?")
                if not datagrams:
                    client.shutdown(socket.SHUT_WR)
                return client.recv(1000).decode()
            except OSError:
                return ""

    def proxies(self) -> list[int]:
        """Return the processes that serve ports on this host."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    ours = b"/bridge/proxy.py\0" in file.read()
                if ours and os.readlink(f"/proc/{name}/ns/net") == os.readlink("/proc/thread-self/ns/net"):
                    found.append(int(name))
            except OSError:
                continue
        return found


def _stop(server: socket.socket) -> None:
    try:
        server.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _answer(server: socket.socket, name: str) -> None:
    while True:
        try:
            client, (seen, *_) = server.accept()
        except OSError:
            return
        with client:
            said = b""
            while chunk := client.recv(1000):
                said += chunk
            client.sendall(f"{name} {said.decode()} {seen.removeprefix('::ffff:')}".encode())


def _answer_datagrams(server: socket.socket, name: str) -> None:
    while True:
        try:
            said, client = server.recvfrom(1000)
            if not said:
                return
            server.sendto(f"{name} {said.decode()} {client[0].removeprefix('::ffff:')}".encode(), client)
        except OSError:
            return


@pytest.fixture
def make(tmp_path: object) -> Iterator[Callable[..., Machine]]:
    with fresh_host() as host, ExitStack() as stack:
        yield lambda **options: Machine(host, str(tmp_path), stack, **options)


@pytest.fixture
def machine(make: Callable[..., Machine]) -> Machine:
    return make()


def _settled(check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_port_is_reached_from_everywhere(machine: Machine) -> None:
    endpoint = machine.connect("c1", WEB)
    assert endpoint.ports == (
        PortMapping(port=80, address="0.0.0.0", first=8080, last=8080),
        PortMapping(port=80, address="::", first=8080, last=8080),
    )
    machine.serve("c1")
    gateway = endpoint.gateway
    # From outside and from the host's own addresses by rules, so that the container sees who asks.
    assert machine.ask(machine.outside, HOST, 8080) == f"c1 ? {OUTSIDE}"
    assert machine.ask(machine.host, HOST, 8080) == f"c1 ? {HOST}"
    # The rest by the proxy: loopback, IPv6 to a container that has none, and neighbours on the bridge.
    assert machine.ask(machine.host, "127.0.0.1", 8080) == f"c1 ? {gateway}"
    assert machine.ask(machine.host, "::1", 8080) == f"c1 ? {gateway}"
    assert machine.ask(machine.outside, HOST6, 8080) == f"c1 ? {gateway}"
    machine.connect("c2")
    for container in ("c1", "c2"):
        for address in (HOST, gateway):
            assert machine.ask(machine.sandboxes[container], address, 8080) == f"c1 ? {gateway}"
    # A container of another bridge comes by the host's address, and no other way.
    machine.driver.create(OTHER)
    machine.connect("c3", network=OTHER)
    assert machine.ask(machine.sandboxes["c3"], HOST, 8080).startswith("c1 ?")
    assert not machine.ask(machine.sandboxes["c3"], endpoint.address, 80, patience=0.3)
    assert not machine.ask(machine.outside, endpoint.address, 80, patience=0.3)
    assert not machine.ask(machine.outside, HOST, 80, patience=0.3)


def test_a_container_of_both_families_is_reached_as_it_is(machine: Machine) -> None:
    machine.driver.create(BOTH)
    machine.connect("c1", WEB, network=BOTH)
    machine.serve("c1")
    assert machine.ask(machine.outside, HOST6, 8080) == f"c1 ? {OUTSIDE6}"
    assert machine.ask(machine.outside, HOST, 8080) == f"c1 ? {OUTSIDE}"
    assert machine.ask(machine.host, HOST6, 8080) == f"c1 ? {HOST6}"
    for address in ("127.0.0.1", "::1"):
        assert machine.ask(machine.host, address, 8080).startswith("c1 ?")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_of_loopback_is_the_hosts_alone(machine: Machine, address: str) -> None:
    endpoint = machine.connect("c1", msgspec.structs.replace(WEB, address=address))
    machine.serve("c1")
    assert machine.ask(machine.host, address, 8080) == f"c1 ? {endpoint.gateway}"
    assert not machine.ask(machine.host, HOST, 8080)
    # A neighbour who sends packets for our loopback down the cable gets no answer.
    with machine.outside.entered():
        run("ip", "address", "del", f"{address}/{128 if ':' in address else 8}", "dev", "lo")
        run("ip", "route", "add", address, "via", HOST6 if ":" in address else HOST)
    for there in (HOST, HOST6, address):
        assert not machine.ask(machine.outside, there, 8080, patience=0.3)


def test_a_port_of_one_address(machine: Machine) -> None:
    machine.connect("c1", msgspec.structs.replace(WEB, address=HOST))
    machine.connect("c2", msgspec.structs.replace(WEB, address="127.0.0.1"))
    for container in ("c1", "c2"):
        machine.serve(container)
    assert machine.ask(machine.outside, HOST, 8080) == f"c1 ? {OUTSIDE}"
    assert machine.ask(machine.host, "127.0.0.1", 8080).startswith("c2 ?")
    with pytest.raises(InvalidInput, match=r"listen tcp4 192\.0\.2\.99:8080: bind: cannot assign requested address"):
        machine.connect("c3", msgspec.structs.replace(WEB, address="192.0.2.99"))
    assert set(machine.driver.endpoints(DEFAULT)) == {"c1", "c2"}


def test_datagrams(machine: Machine) -> None:
    mapping = PortMapping(port=53, protocol="udp", first=5300, last=5300)
    endpoint = machine.connect("c1", mapping)
    machine.serve("c1", 53, datagrams=True)
    ask = partial(machine.ask, port=5300, datagrams=True)
    assert ask(machine.outside, HOST) == f"c1 ? {OUTSIDE}"
    assert ask(machine.host, HOST) == f"c1 ? {HOST}"
    for where, address in ((machine.host, "127.0.0.1"), (machine.host, "::1"), (machine.outside, HOST6)):
        assert ask(where, address) == f"c1 ? {endpoint.gateway}"
    # Answered from the address that was asked, though another is nearer.
    assert ask(machine.sandboxes["c1"], HOST) == f"c1 ? {endpoint.gateway}"
    machine.connect("c2", WEB)  # the same number is another port
    assert not machine.ask(machine.outside, HOST, 5300, patience=0.3)


@pytest.mark.parametrize("address", [HOST, HOST6])
def test_who_goes_on_sending_is_led_to_the_next_container(machine: Machine, address: str) -> None:
    machine.driver.create(BOTH)
    with machine.outside.entered():
        client = socket.socket(_family(address), socket.SOCK_DGRAM)
    with client:
        client.settimeout(PATIENCE)
        client.connect((address, 5300))
        for container in ("c1", "c2"):
            machine.connect(container, PortMapping(port=53, protocol="udp", first=5300, last=5300), network=BOTH)
            machine.serve(container, 53, datagrams=True)
            client.send(b"?")
            assert client.recv(100).decode().startswith(f"{container} ?")
            machine.driver.disconnect(BOTH, container)


def test_much_passes_the_proxy_both_ways_at_once(machine: Machine) -> None:
    machine.connect("c1", WEB)
    with machine.sandboxes["c1"].entered():
        server = socket.create_server(("0.0.0.0", 80))
    data = os.urandom(1 << 20) * 8

    def echo() -> None:
        accepted, _ = server.accept()
        with accepted:
            while chunk := accepted.recv(1 << 16):
                accepted.sendall(chunk)

    with server, socket.create_connection(("127.0.0.1", 8080), PATIENCE) as client:
        for work in (echo, lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR))):
            threading.Thread(target=work, daemon=True).start()
        got = bytearray()
        while chunk := client.recv(1 << 16):
            got += chunk
    assert got == data


def test_who_is_not_listened_to_is_told_so_and_the_proxy_goes_on(machine: Machine) -> None:
    machine.connect("c1", WEB)
    with socket.create_connection(("127.0.0.1", 8080), PATIENCE) as client:
        client.settimeout(PATIENCE)
        assert client.recv(1) == b""
    machine.serve("c1")
    with socket.create_connection(("127.0.0.1", 8080), PATIENCE) as rude:
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert machine.ask(machine.host, "127.0.0.1", 8080).startswith("c1 ?")


def test_a_port_in_use_is_refused_and_nothing_is_left(machine: Machine) -> None:
    machine.connect("c1", WEB)
    told = f"driver failed programming external connectivity on endpoint name-c2 ({'e' * 64}): "
    with pytest.raises(Conflict) as refused:
        machine.connect("c2", PortMapping(port=81), WEB)
    assert refused.value.message == f"{told}Bind for 0.0.0.0:8080 failed: port is already allocated"
    with socket.create_server(("127.0.0.1", 8090)), pytest.raises(Conflict) as refused:
        machine.connect("c2", PortMapping(port=80, first=8090, last=8090))
    assert refused.value.message == (
        f"{told}Error starting userland proxy: listen tcp4 0.0.0.0:8090: bind: address already in use")
    with pytest.raises(Conflict, match="port is already allocated"):
        machine.connect("c2", *[PortMapping(port=port, first=8091, last=8091) for port in (80, 81)])
    assert list(machine.driver.endpoints(DEFAULT)) == ["c1"]
    assert len(machine.proxies()) == 1
    machine.connect("c2", PortMapping(port=80, first=8091, last=8091))


def test_ranges_and_free_ports(machine: Machine) -> None:
    span = PortMapping(port=80, first=8080, last=8081)
    found = [machine.connect(f"c{n}", span).ports[0].first for n in range(2)]
    assert found == [8080, 8081]
    with pytest.raises(Unavailable, match="all ports are allocated"):
        machine.connect("c2", span)
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
        file.write("40000 40009")
    # Who must have a port gets it, though others could have taken it first.
    choosy = PortMapping(port=9, first=40000, last=40000)
    endpoint = machine.connect("c3", *[PortMapping(port=n) for n in range(1, 9)], choosy)
    ports = [(one.port, one.first) for one in endpoint.ports]
    assert [port for port, _ in ports] == [n for n in range(1, 10) for _family in range(2)]
    assert ports[-1] == (9, 40000)
    assert len({first for _, first in ports}) == 9 and all(40000 <= first <= 40009 for _, first in ports)


def test_many_ports_take_no_more_open_files_than_are_allowed_for_them(machine: Machine) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        many = [PortMapping(port=port, first=port, last=port) for port in range(9000, 9200)]
        assert len(machine.connect("c1", *many).ports) == 400
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    machine.serve("c1", 9199)
    assert machine.ask(machine.outside, HOST, 9199) == f"c1 ? {OUTSIDE}"


def test_no_port_is_given_twice_to_many_at_once(machine: Machine) -> None:
    sandboxes = {f"c{n}": machine.sandbox() for n in range(8)}
    report, told = os.pipe()

    def connect(container: str) -> None:
        request = EndpointRequest(container=container, ports=(PortMapping(port=80, first=9000, last=9004),))
        try:
            endpoint = machine.open().connect(DEFAULT, sandboxes[container].path, request)
            os.write(told, f"{endpoint.ports[0].first}\n".encode())
        except Unavailable:
            os.write(told, b"none\n")

    pids = [forked(partial(connect, container)) for container in sandboxes]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 8
    os.close(told)
    with os.fdopen(report) as file:
        assert sorted(file.read().split()) == [*(f"{9000 + n}" for n in range(5)), "none", "none", "none"]
    for container in sandboxes:
        machine.driver.disconnect(DEFAULT, container)
    assert machine.proxies() == []


def test_what_is_disconnected_is_free_at_once(machine: Machine) -> None:
    for container in ("c1", "c2"):
        machine.connect(container, WEB)
        machine.serve(container)
        assert machine.ask(machine.outside, HOST, 8080) == f"{container} ? {OUTSIDE}"
        machine.driver.disconnect(DEFAULT, container)
        assert not machine.ask(machine.outside, HOST, 8080)
        assert machine.proxies() == []
    assert "8080" not in run("nft", "list", "ruleset")


def test_a_container_that_vanishes_lets_go_of_its_ports(machine: Machine) -> None:
    machine.connect("c1", WEB)
    machine.sandboxes["c1"].close()
    assert _settled(lambda: machine.proxies() == [])
    machine.driver.disconnect(DEFAULT, "c1")
    assert "8080" not in run("nft", "list", "ruleset")
    machine.connect("c2", WEB)


def test_a_proxy_that_was_killed_is_nobodys_trouble(machine: Machine) -> None:
    machine.connect("c1", WEB)
    os.kill(machine.proxies()[0], signal.SIGKILL)
    machine.driver.disconnect(DEFAULT, "c1")
    machine.connect("c2", WEB)


def test_rules_that_somebody_removed_are_put_back(machine: Machine) -> None:
    machine.connect("c1", WEB)
    machine.serve("c1")
    run("nft", "delete", "table", "ip", "sampan-sampan0")
    machine.connect("c2", PortMapping(port=80, first=8082, last=8082))
    machine.serve("c2")
    assert machine.ask(machine.outside, HOST, 8080) == f"c1 ? {OUTSIDE}"
    assert machine.ask(machine.outside, HOST, 8082) == f"c2 ? {OUTSIDE}"
    run("nft", "delete", "table", "ip", "sampan-sampan0")
    machine.driver.disconnect(DEFAULT, "c2")


def test_a_kernel_that_cannot_tell_its_own_addresses(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    # To any kernel this is an expression that it does not have, as fib is to one without nft_fib.
    monkeypatch.setattr(publishing, "_ROUTING", "nofib")
    machine.connect("c1", WEB, msgspec.structs.replace(WEB, address=HOST, first=8081, last=8081))
    machine.serve("c1")
    assert machine.ask(machine.outside, HOST, 8081) == f"c1 ? {OUTSIDE}"
    for place in (machine.outside, machine.host):
        assert machine.ask(place, HOST, 8080).startswith("c1 ?")  # by the proxy


def test_a_networks_own_address_for_ports(machine: Machine) -> None:
    options = {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}
    inner = machine.driver.create(msgspec.structs.replace(OTHER, options=options))
    outer = msgspec.structs.replace(WEB, address=HOST, first=8081, last=8081)
    assert machine.connect("c1", WEB, outer, network=inner).ports == (
        msgspec.structs.replace(WEB, address="127.0.0.1"), outer)
    machine.serve("c1")
    assert machine.ask(machine.host, "127.0.0.1", 8080).startswith("c1 ?")
    assert not machine.ask(machine.outside, HOST, 8080, patience=0.3)
    assert machine.ask(machine.outside, HOST, 8081).startswith("c1 ?")


def test_without_rules_the_proxy_does_it_all(make: Callable[..., Machine]) -> None:
    machine = make(firewall=False)
    endpoint = machine.connect("c1", WEB)
    machine.serve("c1")
    for where, address in ((machine.outside, HOST), (machine.outside, HOST6), (machine.host, "127.0.0.1")):
        assert machine.ask(where, address, 8080) == f"c1 ? {endpoint.gateway}"
    machine.driver.disconnect(DEFAULT, "c1")
    assert run("nft", "list", "ruleset") == ""


def test_a_protocol_of_which_the_kernel_knows_nothing(machine: Machine) -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
    except OSError:
        with pytest.raises(SampanError, match="Error starting userland proxy: protocol not supported"):
            machine.connect("c1", msgspec.structs.replace(WEB, protocol="sctp"))
    else:
        assert machine.connect("c1", msgspec.structs.replace(WEB, protocol="sctp")).ports


@pytest.mark.parametrize("microseconds", [5000, 15000, 30000, 50000])
def test_a_kill_while_publishing_can_be_undone(machine: Machine, microseconds: int) -> None:
    machine.connect("c0", PortMapping(port=80))
    sandbox = machine.sandbox()
    request = EndpointRequest(container="c1", ports=(WEB,))
    pid = forked(lambda: machine.driver.connect(DEFAULT, sandbox.path, request))
    time.sleep(microseconds / 1e6)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    sandbox.close()
    machine.driver.disconnect(DEFAULT, "c1")
    assert _settled(lambda: len(machine.proxies()) == 1)
    assert "8080" not in run("nft", "list", "ruleset")
    machine.connect("c2", WEB)
    machine.serve("c2")
    assert machine.ask(machine.outside, HOST, 8080) == f"c2 ? {OUTSIDE}"
