"""Networks of CNI whose addresses are remembered below the test's own directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Configure = Callable[..., str]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Write a configuration of plugins, and return its path. A manager of addresses is given to the first."""

    def configure(*plugins: dict[str, Any], name: str = "net", version: str = "1.0.0", **ipam: Any) -> str:
        manager = {
            "type": "host-local", "dataDir": str(tmp_path / "addresses"), "subnet": "10.55.0.0/16",
            "routes": [{"dst": "0.0.0.0/0"}], **ipam,
        }  # fmt: skip
        first, *rest = plugins or ({"type": "ptp"},)
        document = {"cniVersion": version, "name": name, "plugins": [{**first, "ipam": manager}, *rest]}
        path = tmp_path / f"{name}.conflist"
        path.write_text(json.dumps(document))
        return str(path)

    return configure
