"""Connect containers to nothing: each has a namespace of its own with only the loopback the runtime brings up.

What else is to be in it the user wires by hand, and the driver neither knows nor undoes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import InvalidInput
from sampan.model.network import Endpoint, EndpointRequest, Network


class NoneDriver(NetworkDriver):
    """The driver. It holds nothing, so there is nothing to undo."""

    capabilities = NetworkCapabilities(sandboxed=True)

    def create(self, network: Network) -> Network:
        """Return the network as it is. Raises InvalidInput on settings, for there are none."""
        if network.pools or network.options:
            raise InvalidInput(f"network {network.name} takes no subnet or options")
        return network

    def remove(self, network: Network) -> None:
        """Leave the host as it is."""

    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        """Leave the sandbox as it is. Raises InvalidInput when an address is asked for, and without a sandbox."""
        if sandbox is None:
            raise InvalidInput(f"network {network.name} needs a sandbox to connect to")
        if request.address or request.address6 or request.link_local or request.mac:
            raise InvalidInput(f"network {network.name} has no addresses to give")
        return Endpoint(network=network.id, driver=network.driver)

    def disconnect(self, network: Network, container: str) -> None:
        """Leave everything as it is."""

    def endpoints(self, network: Network) -> Iterator[str]:
        """Yield nothing."""
        return iter(())
