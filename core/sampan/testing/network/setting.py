"""Open a driver in directories of its own, and connect a test's containers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable

import msgspec

from sampan.contracts.network import NetworkDriver
from sampan.model.network import Endpoint, EndpointRequest, Network, PortMapping
from sampan.testing.sandbox import PATIENCE, Sandbox, reaches, route_out

Make = Callable[[str, str], tuple[NetworkDriver, Network]]


class Setting:
    """A driver open in directories of its own, and the containers a test connects."""

    def __init__(self, make: Make, where: str, another: Callable[[Network], Network]) -> None:
        self._make = make
        self._another = another
        self._where = where
        self._sandboxes: dict[str, Sandbox] = {}
        self.run_root = f"{where}/run"
        self.driver, self.network = self.open()
        self.capabilities = self.driver.capabilities

    def open(self) -> tuple[NetworkDriver, Network]:
        """Open the driver once more, as another command would."""
        return self._make(f"{self._where}/root", self.run_root)

    def reopen(self) -> tuple[NetworkDriver, Network]:
        """Open the driver anew and use it from here on."""
        self.driver.close()
        self.driver, self.network = self.open()
        return self.driver, self.network

    def named(self, name: str) -> Network:
        """Return the settings of another network of this driver."""
        return msgspec.structs.replace(self._another(self.network), id=name, name=name)

    def sandbox(self, container: str) -> Sandbox:
        """Return the container's sandbox, made on the first call."""
        if container not in self._sandboxes:
            self._sandboxes[container] = Sandbox()
        return self._sandboxes[container]

    @property
    def subnets(self) -> bool:
        """Whether networks can be made whose subnets the driver chooses, or the test."""
        return self.capabilities.configurable and self.capabilities.addressed and self.capabilities.subnets

    def reachable(self, container: str, address: str, network: Network | None = None) -> bool:
        """Tell whether a container is reached: from the host, or by a neighbour where that is not how it is."""
        if self.capabilities.reached:
            return reaches(None, self.sandbox(container), address)
        self.connect("neighbour", network)
        try:
            return reaches(self.sandbox("neighbour"), self.sandbox(container), address)
        finally:
            self._sandboxes.pop("neighbour").close()
            self.driver.disconnect(network or self.network, "neighbour")

    def connect(
        self, container: str, network: Network | None = None, address: str = "", ports: tuple[PortMapping, ...] = ()
    ) -> Endpoint:
        """Connect a container in a sandbox of its own, where the driver takes sandboxes."""
        path = self.sandbox(container).path if self.capabilities.sandboxed else None
        request = EndpointRequest(container=container, hostname=container, address=address, ports=ports)
        endpoint = self.driver.connect(network or self.network, path, request)
        route_out(self.sandbox(container), endpoint)
        return endpoint

    def publish(self, container: str, *ports: PortMapping) -> tuple[PortMapping, ...]:
        """Have other ports lead to a container."""
        return self.driver.publish(self.network, EndpointRequest(container=container, ports=ports))

    def disconnect(self, container: str) -> None:
        """End a container as the engine does: its sandbox first, then its endpoint."""
        if container in self._sandboxes:
            self._sandboxes.pop(container).close()
        self.driver.disconnect(self.network, container)

    def close(self) -> None:
        """Let go of everything."""
        for sandbox in self._sandboxes.values():
            sandbox.close()
        self.driver.close()


def host_links() -> set[str]:
    """Return the names of the caller's interfaces."""
    return {name for _index, name in socket.if_nameindex()}


def links_settle_to(expected: set[str]) -> bool:
    """Tell whether these are left when the kernel has removed those of namespaces that are gone."""
    deadline = time.monotonic() + PATIENCE
    while host_links() != expected and time.monotonic() < deadline:
        time.sleep(0.002)
    return host_links() == expected


def host_rules() -> str:
    """Return the host's firewall rules as far as there is a program to tell them."""
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if nft is None:
        return ""
    return subprocess.run([nft, "list", "ruleset"], capture_output=True, text=True, check=True).stdout
