"""Tests of meeting at Unix sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.engine import rendezvous


@pytest.mark.parametrize("directory", ["short", "long" * 50])
def test_meeting(tmp_path: Path, directory: str) -> None:
    (tmp_path / directory).mkdir()
    path = str(tmp_path / directory / "sock")
    Path(path).touch()
    with rendezvous.listen(path) as listener, rendezvous.connect(path) as client:
        server, _ = listener.accept()
        with server:
            server.sendall(b"met")
            assert client.recv(10) == b"met"
        with pytest.raises(BlockingIOError):
            listener.accept()
    for missing in (path, str(tmp_path / "nowhere/sock")):
        with pytest.raises(OSError):
            rendezvous.connect(missing)
