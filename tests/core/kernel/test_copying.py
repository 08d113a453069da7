import os
import tempfile

import pytest

from sampan.kernel.copying import copy_tree


@pytest.mark.parametrize("target", ["/tmp", "/dev/shm"])  # within a file system, and from one to another
def test_holes_stay_holes(tmp_path, target):
    (tmp_path / "source").mkdir()
    for name, pieces in (("none", []), ("first", [0]), ("last", [63]), ("some", [1, 5, 6, 40])):
        with open(tmp_path / "source" / name, "wb") as file:
            for piece in pieces:
                os.pwrite(file.fileno(), os.urandom(1 << 16), piece << 16)
            os.ftruncate(file.fileno(), 64 << 16)
    (tmp_path / "source/dense").write_bytes(os.urandom(3_000_001))
    with tempfile.TemporaryDirectory(dir=target) as copy:
        copy_tree(str(tmp_path / "source"), copy)
        for name in os.listdir(tmp_path / "source"):
            with open(tmp_path / "source" / name, "rb") as one, open(f"{copy}/{name}", "rb") as other:
                assert one.read() == other.read(), name
            assert os.stat(f"{copy}/{name}").st_blocks <= os.stat(tmp_path / "source" / name).st_blocks + 8, name
