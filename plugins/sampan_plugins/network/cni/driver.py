"""Have CNI plugins connect containers: a network is a configuration, a list of plugins that run one after the other.

A network keeps the configuration that it was made from; changes to the file are for networks made later. Each container
has a file below ``root``, written before the first plugin runs, with all that these are told, in the end their result.
It outlives a boot, for what plugins keep (addresses on loan, rules) may do so too; ``endpoints`` shows it, and
``disconnect`` has the plugins undo their work whatever has become of the container.

Where the container's namespace is then, nobody tells; the file has the number that the kernel gives to one namespace
only, and among those of the running processes the right one is known by it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from sampan.addressing import host, options, records
from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import Conflict, InvalidInput, SampanError, Unsupported
from sampan.kernel import links, netns, routes
from sampan.model import subnet as subnets
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool, PortMapping
from sampan_plugins.network.cni import configuration, results
from sampan_plugins.network.cni.configuration import Configuration, Document
from sampan_plugins.network.cni.invocation import Attachment, Plugins

_ATTACHED = ".attached"
_BRIDGE = "bridge"
_ANY = ("0.0.0.0", "::")
_PATIENCE = 10.0
"""Seconds given to plugins whose caller was killed to come to an end."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The plugin's table in the configuration: directories, divided by colons."""

    directories: str = "/etc/cni/net.d"
    path: str = "/usr/lib/cni:/opt/cni/bin"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A network's options: the file of its configuration, or the name of one in the directories."""

    config: str = ""
    name: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A network as the driver keeps it. ``bridges`` are links that its plugins have made and would leave for ever."""

    id: str
    name: str
    configuration: Configuration
    bridges: tuple[str, ...] = ()


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """A container's connection: what plugins are told, where it is, and what came of it, once that is known."""

    attachment: Attachment
    boot: str
    namespace: int
    inode: int
    sandbox: str
    result: Document | None = None
    ports: tuple[PortMapping, ...] = ()


class CniDriver(NetworkDriver):
    """The driver. The module's documentation tells how it works."""

    capabilities = NetworkCapabilities(
        addressed=True, ipv6=True, configurable=True, subnets=False, predefined=False, publishes=True
    )

    def __init__(self, root: str, table: Mapping[str, Any]) -> None:
        self._options = options.read(table, Options, "option of network/cni")
        self._plugins = Plugins(self._options.path)
        self._root = root
        os.makedirs(root, mode=0o700, exist_ok=True)

    def create(self, network: Network) -> Network:
        """Read a network's configuration and check that its plugins are there. The subnets are the configuration's."""
        where = records.directory(self._root, network)
        with self._translated(network), host.locked(self._root):
            return _described(network, self._prepared(network, where))

    def describe(self, network: Network) -> Network:
        """Return the network with the subnets of its configuration."""
        record = records.load(records.directory(self._root, network), Record)
        return _described(network, record) if record else network

    def remove(self, network: Network) -> None:
        """Forget the configuration, and take away bridges that its plugins have made and left."""
        where = records.directory(self._root, network)
        with self._translated(network), host.locked(self._root):
            record = records.load(where, Record)
            if record is None:
                return
            if list(self.endpoints(network)):
                raise Conflict(f"network {network.name} has active endpoints", "disconnect its containers first")
            for name in record.bridges:
                if links.kind(name) == _BRIDGE and not links.leads(name):
                    links.delete(name)
            records.forget(where)

    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        """Have the plugins connect the sandbox."""
        if sandbox is None:
            raise InvalidInput(f"network {network.name} needs a sandbox to connect to")
        for option in request.options:
            raise InvalidInput(f"unknown option of a connection to network {network.name}: {option!r}")
        if request.link_local:
            raise InvalidInput(f"network {network.name} has no link-local addresses to give")
        where = records.directory(self._root, network)
        with self._translated(network), ExitStack() as stack:
            with host.locked(self._root):
                record = self._prepared(network, where)
                ports = stack.enter_context(self._claimed(request))
                attached = self._attached(record, where, sandbox, request, ports)
                lock = stack.enter_context(_locked(f"{where}/{request.container}.lock"))
                records.write(f"{where}/{request.container}{_ATTACHED}", attached)
            return self._add(network, where, attached, lock)

    def _add(self, network: Network, where: str, attached: Attached, lock: int) -> Endpoint:
        attachment, before = attached.attachment, {name for _, name in socket.if_nameindex()}
        try:
            document = self._plugins.add(attachment, attached.sandbox, lock)
            records.write(
                f"{where}/{attachment.container}{_ATTACHED}", msgspec.structs.replace(attached, result=document)
            )
            result = results.read(document)
            with netns.entered(attached.sandbox):
                for family in (socket.AF_INET, socket.AF_INET6):
                    routes.end(family, attachment.interface)  # it is the engine's to set
            self._note_bridges(where, [name for name in result.outside() if name not in before])
            return results.endpoint(network, result, attachment.interface, attached.ports)
        except BaseException:
            try:
                self._undo(where, attached, lock)
            except SampanError:
                pass  # what is left is still on record, and what went wrong first is what tells more
            raise

    def disconnect(self, network: Network, container: str) -> None:
        """Have the plugins undo what they did, though the sandbox may be gone."""
        where = records.directory(self._root, network)
        path = f"{where}/{container}{_ATTACHED}"
        if not os.path.exists(path):
            return
        with self._translated(network), _locked(f"{where}/{container}.lock") as lock:
            attached = records.read(path, Attached)
            if attached:
                self._undo(where, attached, lock)

    def fault(self, network: Network, container: str) -> str:
        """Have the plugins check a container's connection (CHECK, since 0.4.0)."""
        where = records.directory(self._root, network)
        attached = records.read(f"{where}/{container}{_ATTACHED}", Attached)
        if attached is None or attached.result is None:
            return "there is no result of its plugins"
        told = attached.attachment.configuration
        if told.disable_check or told.version in ("0.3.0", "0.3.1"):
            return ""
        with _locked(f"{where}/{container}.lock") as lock, _found(attached) as sandbox:
            try:
                expected = results.to_check(attached.result, attached.sandbox, sandbox)
                self._plugins.check_attached(attached.attachment, sandbox, expected, lock)
            except SampanError as error:
                return error.message
        return ""

    def endpoints(self, network: Network) -> Iterator[str]:
        """Yield the ids of the containers that have files."""
        where = records.directory(self._root, network)
        names = os.listdir(where) if os.path.isdir(where) else []
        yield from [name.removesuffix(_ATTACHED) for name in names if name.endswith(_ATTACHED)]

    # -- files

    def _prepared(self, network: Network, where: str) -> Record:
        """Return the network's record, made on the first call. The caller holds the driver's lock."""
        record = records.load(where, Record)
        if record is None:
            record = Record(id=network.id, name=network.name, configuration=self._configuration(network))
            records.save(where, record)
        return record

    def _configuration(self, network: Network) -> Configuration:
        choice = options.read(network.options, Choice, "network option")
        if network.pools or network.ipam_options:
            raise InvalidInput("the subnets of a CNI network are those of its configuration")
        if bool(choice.config) == bool(choice.name):
            raise InvalidInput(
                "a CNI network needs a configuration", "give its file, -o config=PATH, or its name, -o name=NAME"
            )
        if choice.config:
            found = configuration.read(choice.config)
        else:
            found = configuration.find(self._options.directories.split(":"), choice.name)
        self._plugins.check(found)
        return found

    def _attached(
        self, record: Record, where: str, sandbox: str, request: EndpointRequest, ports: Sequence[PortMapping]
    ) -> Attached:
        if os.path.exists(f"{where}/{request.container}{_ATTACHED}"):
            raise Conflict(f"container {request.container[:12]} is connected to network {record.name} already")
        namespace, inode = netns.cookie(sandbox), os.stat(sandbox).st_ino
        with netns.entered(sandbox):
            interface = request.interface or next(f"eth{n}" for n in range(4096) if not links.index(f"eth{n}"))
        attachment = Attachment(
            container=request.container, interface=interface, configuration=record.configuration,
            runtime=self._runtime(record, where, request, ports),
        )
        return Attached(
            attachment=attachment, boot=_boot(), namespace=namespace, inode=inode, sandbox=sandbox, ports=tuple(ports)
        )

    def _runtime(
        self, record: Record, where: str, request: EndpointRequest, ports: Sequence[PortMapping]
    ) -> dict[str, Any]:
        """Return what plugins are told of this container, by capability. Raises InvalidInput and Unsupported."""
        pools = configuration.pools(record.configuration)
        wanted = [_within(address, pools) for address in (request.address, request.address6) if address]
        mac = subnets.parse_mac(request.mac) if request.mac else ""
        for what, given, capability in (
            ("addresses that are asked for", wanted, "ips"), ("MAC addresses", mac, "mac"),
            ("ports of the host", ports, "portMappings"),
        ):
            if given and not record.configuration.takes(capability):
                raise Unsupported(
                    f"network {record.name} gives no {what}: no plugin of its configuration has the capability "
                    f"{capability}", "add it there, and make the network anew",
                )
        self._refuse_taken(where, [address.partition("/")[0] for address in wanted])
        told = {
            "ips": wanted, "mac": mac, "portMappings": _mappings(ports), "aliases": list(request.aliases),
        }  # fmt: skip
        return {capability: value for capability, value in told.items() if value}

    def _refuse_taken(self, where: str, addresses: Sequence[str]) -> None:
        for _, attached in self._all(where):
            for address in results.read(attached.result or {}).addresses():
                if address in addresses:
                    raise Conflict(f"Address already in use: {address}")

    @contextmanager
    def _claimed(self, request: EndpointRequest) -> Iterator[tuple[PortMapping, ...]]:
        """Hold the ports of the host that a container asks for. The caller holds the driver's lock."""
        if not request.ports:
            yield ()
            return
        given = self._given()
        allocated = {(one.protocol, one.first) for one in given}
        with host.claimed(request, request.ports, lambda *port: port in allocated, given) as claims:
            yield tuple(claim.mapping for claim in claims)

    def _given(self) -> list[PortMapping]:
        """Return the ports of the host that containers have, on any network."""
        wheres = [entry.path for entry in os.scandir(self._root) if entry.is_dir()]
        return [port for where in wheres for _, attached in self._all(where) for port in attached.ports]

    @staticmethod
    def _all(where: str) -> Iterator[tuple[str, Attached]]:
        for name in os.listdir(where):
            attached = records.read(f"{where}/{name}", Attached) if name.endswith(_ATTACHED) else None
            if attached:
                yield name.removesuffix(_ATTACHED), attached

    def _note_bridges(self, where: str, made: Sequence[str]) -> None:
        found = [name for name in made if links.kind(name) == _BRIDGE]
        if not found:
            return
        with host.locked(self._root):
            record = records.load(where, Record)
            if record:
                known = dict.fromkeys((*record.bridges, *found))
                records.save(where, msgspec.structs.replace(record, bridges=tuple(known)))

    def _undo(self, where: str, attached: Attached, lock: int) -> None:
        container = attached.attachment.container
        with _found(attached) as sandbox:
            self._plugins.remove(attached.attachment, sandbox, attached.result, lock)
        for ending in (_ATTACHED, ".lock"):
            os.unlink(f"{where}/{container}{ending}")

    @staticmethod
    def _translated(network: Network) -> Any:
        return host.translated(f"network {network.name}", "what the plugins ask of it")


def _described(network: Network, record: Record) -> Network:
    pools = configuration.pools(record.configuration)
    families = {pool.ipv6 for pool in pools} or {False}
    return msgspec.structs.replace(network, pools=pools, ipv4=False in families, ipv6=True in families)


def _within(text: str, pools: Sequence[Pool]) -> str:
    """Return an address with the prefix of the subnet that it belongs to. Raises InvalidInput."""
    number = subnets.number(text)
    for pool in pools:
        subnet = subnets.parse(pool.subnet)
        if subnet.ipv6 == (":" in text) and number in subnet:
            return f"{text}/{subnet.prefix}"
    raise InvalidInput(f"Invalid address {text}: It does not belong to any of this network's subnets")


def _mappings(ports: Sequence[PortMapping]) -> list[dict[str, Any]]:
    """Return ports of the host as plugins want them: those at all addresses of both families once."""
    found = []
    for one in ports:
        mapping: dict[str, Any] = {"hostPort": one.first, "containerPort": one.port, "protocol": one.protocol}
        if one.address not in _ANY:
            mapping["hostIP"] = one.address
        if mapping not in found:
            found.append(mapping)
    return found


@contextmanager
def _locked(path: str) -> Iterator[int]:
    """Hold a container's lock, which plugins inherit, and give its descriptor; wait for those that run already."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _taken(lock) and time.monotonic() < deadline:
                time.sleep(0.01)
            if os.fstat(lock).st_nlink:
                yield lock
                return
        finally:
            os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _found(attached: Attached) -> Iterator[str]:
    """Give the path of the namespace that a container was connected in; empty when it is gone."""
    candidates = [attached.sandbox, *(f"/proc/{pid}/ns/net" for pid in os.listdir("/proc") if pid.isdecimal())]
    for path in candidates if attached.boot == _boot() else ():
        try:
            if os.stat(path).st_ino != attached.inode:
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            held = f"/proc/{os.getpid()}/fd/{descriptor}"
            if netns.cookie(held) == attached.namespace != 0:
                yield held
                return
        finally:
            os.close(descriptor)
    yield ""


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
