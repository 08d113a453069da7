"""Share the host's network with containers: no namespace of their own, nothing made, nothing to undo."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import InvalidInput
from sampan.model.network import Endpoint, EndpointRequest, Network


class HostDriver(NetworkDriver):
    """The driver. It holds nothing, so there is nothing to undo."""

    capabilities = NetworkCapabilities(sandboxed=False)

    def create(self, network: Network) -> Network:
        """Return the network as it is. Raises InvalidInput on settings, for there are none."""
        if network.pools or network.options:
            raise InvalidInput(f"network {network.name} takes no subnet or options")
        return network

    def remove(self, network: Network) -> None:
        """Leave the host as it is."""

    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        """Connect nothing. Raises InvalidInput when an address is asked for, and when given a sandbox."""
        if sandbox is not None:
            raise InvalidInput(f"network {network.name} is the host's and takes no sandbox")
        if request.address or request.address6 or request.link_local or request.mac:
            raise InvalidInput(f"network {network.name} has no addresses to give")
        return Endpoint(network=network.id, driver=network.driver)

    def disconnect(self, network: Network, container: str) -> None:
        """Leave everything as it is."""

    def endpoints(self, network: Network) -> Iterator[str]:
        """Yield nothing."""
        return iter(())
