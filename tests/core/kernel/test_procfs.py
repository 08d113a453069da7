"""Tests of telling procfs from what only looks like it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.errors import InvalidInput
from sampan.kernel import procfs


def test_a_file_of_procfs() -> None:
    own = Path("/proc/self/comm").read_text()
    try:
        procfs.write("/proc/self/comm", "other")
        assert Path("/proc/self/comm").read_text() == "other\n"
    finally:
        procfs.write("/proc/self/comm", own)
    directory = os.open("/proc", os.O_PATH)
    os.close(procfs.open_to_write("self/comm", directory=directory))
    os.close(directory)


def test_what_only_looks_like_one(tmp_path: Path) -> None:
    (tmp_path / "exec").write_text("")
    with pytest.raises(InvalidInput, match="is not a file of procfs"):
        procfs.write(str(tmp_path / "exec"), "label")
    assert (tmp_path / "exec").read_text() == ""
    (tmp_path / "link").symlink_to("/proc/self/comm")
    with pytest.raises(OSError, match="symbolic links"):
        procfs.write(str(tmp_path / "link"), "label")
