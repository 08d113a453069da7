from __future__ import annotations

import subprocess
import sys

import pytest

from sampan.config import RegistryHost
from sampan.errors import InvalidInput
from sampan_plugins.registries.distribution import plugin
from sampan_plugins.registries.distribution.options import OPTIONS, Options


def test_info_lists_the_options_as_they_are() -> None:
    info = plugin.sampan_plugin_info("registries", "distribution")
    defaults = Options()
    assert [option.name for option in info.options] == list(Options.__struct_fields__)
    for option in OPTIONS:
        value = getattr(defaults, option.name)
        assert option.default == (value if isinstance(value, str) else f"{value:g}")


@pytest.mark.parametrize(("options", "words"), [
    ({"retrys": 3}, r"no option 'retrys' \(did you mean 'retries'\?\)"),
    ({"zzz": 3}, r"no option 'zzz' \(the options are timeout"),
    ({"timeout": "long"}, "timeout"),
    ({"timeout": 0}, "greater than 0"),
    ({"retries": -1}, "not be negative"),
])
def test_wrong_options(options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        plugin.sampan_open_registry("distribution", "localhost/x", RegistryHost(), options)


def test_opening_loads_no_requests() -> None:
    script = (
        "import sys\n"
        "from sampan.config import RegistryHost\n"
        "from sampan_plugins.registries.distribution import plugin\n"
        "plugin.sampan_open_registry('distribution', 'localhost/x', RegistryHost(), {}).close()\n"
        "print({'requests', 'urllib3', 'ssl', 'subprocess'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
