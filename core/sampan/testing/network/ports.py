"""Check ports of the host that containers are given."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import socket

import msgspec
import pytest

from sampan.errors import Conflict, NotFound
from sampan.model.network import PortMapping
from sampan.testing.network.setting import Setting
from sampan.testing.sandbox import PATIENCE


class PortTests:
    """What a driver that publishes does."""

    def test_a_published_port_is_the_containers_alone_until_it_is_disconnected(self, setting: Setting) -> None:
        if not setting.capabilities.publishes:
            return
        wanted = PortMapping(port=80, address="127.0.0.1", first=8080, last=8080)
        assert setting.connect("c1", ports=(wanted,)).ports == (wanted,)
        with setting.sandbox("c1").entered():
            server = socket.create_server(("", 80))
        with server, socket.create_connection(("127.0.0.1", 8080), PATIENCE) as client:
            server.settimeout(PATIENCE)
            with server.accept()[0] as accepted:
                accepted.sendall(b"!")
            assert client.recv(1) == b"!"
        for other in (wanted, PortMapping(port=80, first=8080, last=8080)):
            with pytest.raises(Conflict, match="8080"):
                setting.connect("c2", ports=(other,))
        assert list(setting.driver.endpoints(setting.network)) == ["c1"]
        setting.disconnect("c1")
        assert setting.connect("c2", ports=(wanted,)).ports == (wanted,)

    def test_ports_are_published_and_withdrawn_while_connected(self, setting: Setting) -> None:
        if not setting.capabilities.republishes:
            return
        wanted = PortMapping(port=80, address="127.0.0.1", first=8080, last=8080)
        other = msgspec.structs.replace(wanted, first=8081, last=8081)
        setting.connect("c1", ports=(wanted,))
        setting.connect("c2")
        with pytest.raises(Conflict, match="8080"):
            setting.publish("c2", wanted)
        assert setting.publish("c1") == ()
        assert setting.publish("c2", wanted) == setting.publish("c2", wanted) == (wanted,)
        with setting.sandbox("c2").entered():
            server = socket.create_server(("", 80))
        with server, socket.create_connection(("127.0.0.1", 8080), PATIENCE) as client:
            server.settimeout(PATIENCE)
            server.accept()[0].close()
            assert client.recv(1) == b""
        assert setting.publish("c2", other) == (other,)
        assert setting.publish("c1", wanted) == (wanted,)
        setting.disconnect("c2")
        assert setting.publish("c1", other) == (other,)
        with pytest.raises(NotFound):
            setting.publish("c2", wanted)

    def test_free_ports_are_chosen_for_all_addresses(self, setting: Setting) -> None:
        if not setting.capabilities.publishes:
            return
        several = (PortMapping(port=80), PortMapping(port=53, protocol="udp"))
        for found in (setting.connect(container, ports=several).ports for container in ("c1", "c2")):
            assert {(one.port, one.protocol) for one in found} == {(80, "tcp"), (53, "udp")}
            assert {one.address for one in found} <= {"0.0.0.0", "::"}
            assert all(one.first == one.last != 0 for one in found)
