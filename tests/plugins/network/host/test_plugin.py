"""The host plugin opens its driver and takes no options."""

from __future__ import annotations

import pytest

from sampan.errors import InvalidInput
from sampan_plugins.network.host import plugin
from sampan_plugins.network.host.driver import HostDriver


def test_it_opens_the_driver() -> None:
    opened = plugin.sampan_open_network("host", "/nowhere", "/nowhere", {})
    assert isinstance(opened, HostDriver)
    info = plugin.sampan_plugin_info("network", "host")
    assert info.options == ()
    assert info.capabilities["sandboxed"] == ("yes" if opened.capabilities.sandboxed else "no")


def test_it_takes_no_option() -> None:
    with pytest.raises(InvalidInput, match="unknown option of network/host 'mtu'"):
        plugin.sampan_open_network("host", "/nowhere", "/nowhere", {"mtu": "1"})
