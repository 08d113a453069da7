from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.errors import SampanError
from sampan.store.layout import Layout


def test_prepare_makes_what_commands_need(layout: Layout) -> None:
    layout.prepare()
    layout.prepare()
    for place in (layout.temporary, layout.locks, os.path.dirname(layout.blob("sha256:0"))):  # type: ignore[arg-type]
        assert os.path.isdir(place)
        assert os.stat(place).st_mode & 0o077 == 0


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SampanError, match="cannot make the store at"):
        Layout(str(tmp_path / "file" / "root"), str(tmp_path / "run")).prepare()
