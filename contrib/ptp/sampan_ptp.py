"""Connect each container to the host by a pair of interfaces of its own, and route between them: there is no bridge.

A container has one address and one neighbour, the gateway 169.254.1.1, which is the host's end of every pair. The host
has a route to each address, so that what passes between containers passes its firewall. Nothing is translated: the
network beyond must know that the subnet is behind this host.

Who has an address is a symbolic link, ADDRESS -> CONTAINER, below the run root. Making one is atomic, also among
several processes, and a reboot, after which no interface is left, wipes them.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from sampan import hookimpl
from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import Conflict, InvalidInput, NotFound, Unavailable
from sampan.kernel import netns
from sampan.model.network import Endpoint, EndpointRequest, Network

GATEWAY = "169.254.1.1"
SUBNET = "10.97.0.0/16"


class PointToPoint(NetworkDriver):
    """The driver. It has one network, the default one."""

    capabilities = NetworkCapabilities(sandboxed=True, addressed=True)

    def __init__(self, run_root: str, subnet: str = SUBNET) -> None:
        self._leases = f"{run_root}/leases"
        self._last = f"{run_root}/last"
        self._subnet = IPv4Network(subnet)
        os.makedirs(self._leases, exist_ok=True)

    def create(self, network: Network) -> Network:
        if network.pools or network.options or network.ipv6:
            raise InvalidInput(f"network {network.name} takes no settings", "the driver's option is subnet")
        return network

    def remove(self, network: Network) -> None:
        if container := next(self.endpoints(network), None):
            raise Conflict(f"network {network.name} has endpoints: {container}")

    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        if sandbox is None:
            raise InvalidInput(f"network {network.name} needs a sandbox to connect to")
        if request.address6 or request.link_local or request.ports:
            raise InvalidInput(f"network {network.name} has no IPv6, and publishes no ports")
        if request.container in self.endpoints(network):
            raise Conflict(f"container {request.container} is connected to network {network.name} already")
        address = self._lease(request)
        try:
            mac = self._wire(sandbox, address, request)
        except BaseException:
            self.disconnect(network, request.container)
            raise
        return Endpoint(
            network=network.id, driver=network.driver, interface=request.interface or "eth0", address=address,
            host_interface=_outer(request.container), prefix=32, gateway=GATEWAY, mac=mac,
        )  # fmt: skip

    def disconnect(self, network: Network, container: str) -> None:
        from pyroute2 import IPRoute

        with IPRoute() as host:
            for index in host.link_lookup(ifname=_outer(container)):
                _unless_gone(lambda index=index: host.link("del", index=index))
        for address in os.listdir(self._leases):
            if self._holder(address) == container:
                os.unlink(f"{self._leases}/{address}")

    def endpoints(self, network: Network) -> Iterator[str]:
        return filter(None, map(self._holder, os.listdir(self._leases)))

    def _holder(self, address: str) -> str:
        try:
            return os.readlink(f"{self._leases}/{address}")
        except FileNotFoundError:
            return ""  # given back meanwhile

    def _lease(self, request: EndpointRequest) -> str:
        for address in self._candidates(request):
            try:
                os.symlink(request.container, f"{self._leases}/{address}")
            except FileExistsError:
                continue
            if not request.address:
                _replace(self._last, address)
            return address
        if request.address:
            raise Conflict(f"address {request.address} is in use")
        raise Unavailable(f"no address of {self._subnet} is free")

    def _candidates(self, request: EndpointRequest) -> Iterator[str]:
        """Yield the address asked for, or all of them, beginning after the one that was given away last."""
        if request.address:
            yield self._checked(request.address)
            return
        size, first = self._subnet.num_addresses, int(self._subnet.network_address)
        try:
            offset = int(IPv4Address(os.readlink(self._last))) - first
        except (OSError, AddressValueError):
            offset = 0
        for step in range(1, size):
            if 0 < (place := (offset + step) % size) < size - 1:  # neither the network's address nor the broadcast's
                yield str(IPv4Address(first + place))

    def _checked(self, text: str) -> str:
        try:
            if (address := IPv4Address(text)) in self._subnet:
                return str(address)
        except AddressValueError as error:
            raise InvalidInput(f"invalid IPv4 address {text!r}") from error
        raise InvalidInput(f"address {text} is not in {self._subnet}")

    def _wire(self, sandbox: str, address: str, request: EndpointRequest) -> str:
        """Make the pair and lead both ends to each other; return the container's MAC address."""
        from pyroute2 import IPRoute

        outer, inner = _outer(request.container), request.interface or "eth0"
        with IPRoute() as host:
            try:
                namespace = os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise NotFound(f"the sandbox {sandbox} is gone") from error
            try:
                peer = {"ifname": inner, "net_ns_fd": namespace, **({"address": request.mac} if request.mac else {})}
                host.link("add", ifname=outer, kind="veth", peer=peer)
            finally:
                os.close(namespace)
            index = socket.if_nametoindex(outer)
            host.addr("add", index=index, address=GATEWAY, prefixlen=32)
            host.link("set", index=index, state="up")
            with netns.entered(sandbox), IPRoute() as inside:
                own = socket.if_nametoindex(inner)
                inside.addr("add", index=own, address=address, prefixlen=32)
                inside.link("set", index=own, state="up")
                inside.route("add", dst=f"{GATEWAY}/32", oif=own, scope=253)  # on the link
                mac = str(inside.get_links(own)[0].get_attr("IFLA_ADDRESS"))
            host.route("add", dst=f"{address}/32", oif=index)
        with open(f"/proc/sys/net/ipv4/conf/{outer}/forwarding", "w") as file:
            file.write("1")
        return mac


def _outer(container: str) -> str:
    """Return the name of the host's end: 15 characters at most, and the same in every process."""
    return f"ptp{hashlib.sha256(container.encode()).hexdigest()[:12]}"


def _replace(path: str, target: str) -> None:
    draft = f"{path}.{os.getpid()}"
    os.symlink(target, draft)
    os.rename(draft, path)


def _unless_gone(deed: Any) -> None:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        deed()
    except NetlinkError as error:
        if error.code != 19:  # ENODEV: the kernel was faster
            raise


@hookimpl
def sampan_open_network(run_root: str, options: Mapping[str, Any]) -> NetworkDriver:
    """Open the driver on its subnet."""
    if set(options) - {"subnet"}:
        raise InvalidInput("the only option of network/ptp is subnet")
    try:
        return PointToPoint(run_root, **options)
    except ValueError as error:
        raise InvalidInput(f"invalid subnet for network/ptp: {error}") from error
