"""Connect containers.

The story
---------
A *network* is a record that names a driver; the driver gives it meaning. A *sandbox* is a network namespace
that the engine makes for a container before its first process exists; it is handed on as a path that opens it,
such as ``/proc/PID/fd/N``, and lives as long as somebody holds it. An *endpoint* is the container's connection to
a network::

    network = driver.create(network)                       # fills in what the user left open: subnet, gateway
    endpoint = driver.connect(network, sandbox, request)   # an interface in the sandbox, with an address
    …                                                      # the container runs
    driver.disconnect(network, container)                  # its address can be given to another
    driver.remove(network)

The engine sets the sandbox's default routes by the gateways of its endpoints, and writes /etc/hosts and
/etc/resolv.conf from them; the runtime brings the loopback interface up.

The rules
---------
``disconnect`` and ``remove`` succeed when the thing is gone already: after a kill or a reboot the engine calls
them for whatever ``endpoints`` shows and no container owns. The sandbox may have vanished by then; when a
container ends, the engine lets go of it first, so that there is little left to undo. What the host loses in a
reboot (a bridge, NAT rules) is put back by the next ``connect``. Methods may be called from several processes at
once, and no address is ever given out twice at the same time. ``connect`` may be called in a thread while the process
does other things: what threads share, such as working directory, umask and environment, it leaves alone. A container
may be on several networks, on each once.

A driver that *publishes* gives the container the ports of the host that the request asks for, the same to no two
containers, and none that somebody else on the host has; the endpoint tells which they became. Whoever reaches the
host's address there reaches the container's port. It ends with the connection, at the latest by ``disconnect``. One
that *republishes* can do so at any time: a running container's ports go with its default route, and so they move when
networks are connected or disconnected.

A driver has one network without anybody's asking, unless it says that none is *predefined*: the *default* network,
whose name is the driver's. It has no settings but the driver's options, ``connect`` makes it when nobody has called
``create``, and what ``create`` once filled in for it binds nobody: the driver may choose again on a host that has
changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from sampan.errors import Unsupported
from sampan.model.network import Endpoint, EndpointRequest, Network, PortMapping


class NetworkCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine may count on.

    ``sandboxed``: containers get a network namespace of their own; otherwise they share the host's and
    ``connect`` is called with no sandbox. ``addressed``: endpoints have addresses, and containers on one network
    reach each other; ``reached``: and the host reaches them. ``ipv6``: networks can have IPv6 addresses too, or only.
    ``configurable``: users may create networks of this driver; ``subnets``: and choose their subnets, or leave that to
    the driver. ``predefined``: there is one without their doing. ``publishes``: containers can have ports of the host,
    ``republishes``: also get and lose them while they are connected.
    """

    sandboxed: bool = True
    addressed: bool = False
    ipv6: bool = False
    configurable: bool = False
    subnets: bool = True
    predefined: bool = True
    reached: bool = True
    publishes: bool = False
    republishes: bool = False


class NetworkDriver(ABC):
    """A way for containers to reach each other and the world. The module's documentation is the contract."""

    capabilities: ClassVar[NetworkCapabilities] = NetworkCapabilities()

    @abstractmethod
    def create(self, network: Network) -> Network:
        """Check a network's settings and return it with the open ones filled in. Called again it changes nothing.

        Raises InvalidInput on settings it does not take, Conflict when they collide with another network.
        """

    def describe(self, network: Network) -> Network:
        """Return a network with what the driver has filled in, as far as it has by now. Nothing is made."""
        return network

    @abstractmethod
    def remove(self, network: Network) -> None:
        """Undo all that the network put on the host. Raises Conflict while it has endpoints."""

    @abstractmethod
    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        """Connect the namespace that the path ``sandbox`` opens to the network; None where there is no sandbox.

        The interface takes packets when the call returns; no default route leads to it. On failure nothing of the
        attempt remains. Raises InvalidInput for an address or MAC that cannot be, Conflict when the
        address or a port is taken or the container is connected already, NotFound when the sandbox is gone,
        Unavailable when the subnet is exhausted, Unsupported when the kernel lacks a feature.
        """

    @abstractmethod
    def disconnect(self, network: Network, container: str) -> None:
        """Undo ``connect`` for the container with this id, whatever is left of it."""

    def publish(self, network: Network, request: EndpointRequest) -> tuple[PortMapping, ...]:
        """Give a connected container ``request.ports`` of the host in place of those it had; tell which they became.

        Without any it has none. Called again it does the same again. Raises Conflict when one is taken, after which
        it has none, NotFound when the container is not connected, Unsupported where this is all that the driver does.
        """
        raise Unsupported(f"the network driver {network.driver} cannot publish ports of a container that runs")

    def fault(self, network: Network, container: str) -> str:
        """Tell what is wrong with the connection of a container that runs; empty: nothing that the driver can see."""
        return ""

    @abstractmethod
    def endpoints(self, network: Network) -> Iterator[str]:
        """Yield the id of every container the driver holds anything for on this network."""

    def close(self) -> None:
        """Let go of what the driver holds open."""
        return
