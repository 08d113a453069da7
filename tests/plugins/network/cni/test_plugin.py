"""The cni plugin opens its driver, tells what it can and takes no options."""

from __future__ import annotations

import msgspec
import pytest

from sampan.errors import InvalidInput
from sampan_plugins.network.cni import plugin
from sampan_plugins.network.cni.driver import CniDriver


def test_it_opens_the_driver(tmp_path: object) -> None:
    opened = plugin.sampan_open_network("cni", f"{tmp_path}/root", f"{tmp_path}/run", {})
    assert isinstance(opened, CniDriver)
    told = plugin.sampan_plugin_info("network", "cni").capabilities
    actual = msgspec.structs.asdict(CniDriver.capabilities)
    assert told == {name: "yes" if value else "no" for name, value in actual.items()}


def test_it_takes_no_option(tmp_path: object) -> None:
    with pytest.raises(InvalidInput, match="unknown option of network/cni 'mtu'"):
        plugin.sampan_open_network("cni", f"{tmp_path}", f"{tmp_path}", {"mtu": "1"})
