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


def test_only_the_owner_reads_any_of_it(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "deep/root"), str(tmp_path / "run"))
    before = os.umask(0)
    try:
        layout.prepare()
    finally:
        os.umask(before)
    for place in (layout.root, layout.run_root, f"{layout.root}/blobs", layout.database):
        assert os.stat(place).st_mode & 0o067 == 0, place


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SampanError, match="cannot make the store at"):
        Layout(str(tmp_path / "file" / "root"), str(tmp_path / "run")).prepare()
