"""Tests of waiting for a directory to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.kernel.inotify import Watch


def test_it_wakes_for_what_is_written_made_or_put_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with Watch(str(tmp_path)) as watch:
        assert not watch.wait(0)
        for change in (file.touch, lambda: file.write_text("x"), lambda: file.rename(tmp_path / "other")):
            change()
            assert watch.wait(5) and not watch.wait(0)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Watch(str(tmp_path / "none"))
