"""The bridge plugin opens its driver, tells its options and refuses others."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from sampan.errors import InvalidInput
from sampan_plugins.network.bridge import plugin
from sampan_plugins.network.bridge.driver import BridgeDriver
from sampan_plugins.network.bridge.options import Options


def test_it_opens_the_driver(tmp_path: object) -> None:
    opened = plugin.sampan_open_network("bridge", f"{tmp_path}/a", f"{tmp_path}/b", {"mtu": 1400})
    assert isinstance(opened, BridgeDriver)
    opened.close()


def test_it_tells_the_options_there_are() -> None:
    told = {option.name: option.default for option in plugin.sampan_plugin_info("network", "bridge").options}
    defaults = msgspec.to_builtins(Options())
    assert told == {name: str(value).lower() if value != "" else "" for name, value in defaults.items()}


def test_it_tells_the_drivers_capabilities() -> None:
    told = plugin.sampan_plugin_info("network", "bridge").capabilities
    actual = msgspec.structs.asdict(BridgeDriver.capabilities)
    assert told == {name: "yes" if value else "no" for name, value in actual.items()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"brigde": "x"}, "unknown option of network/bridge 'brigde' (did you mean 'bridge'?)"),
        ({"quux": "x"}, "unknown option of network/bridge 'quux' (it takes bridge, firewall, mtu, subnet)"),
        ({"firewall": "perhaps"}, "invalid option of network/bridge"),
        ({"bridge": "a-name-that-is-too-long"}, "invalid bridge name"),
    ],
)
def test_options_it_does_not_know(tmp_path: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plugin.sampan_open_network("bridge", f"{tmp_path}/a", f"{tmp_path}/b", options)
    assert message in str(caught.value)


def test_being_found_costs_no_driver() -> None:
    program = (
        "import sys; import sampan_plugins.network.bridge.plugin;"
        "print([m for m in sys.modules if 'driver' in m or 'pyroute2' in m or m == 'socket'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
