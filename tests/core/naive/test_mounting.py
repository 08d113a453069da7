import os
import signal

import pytest

from sampan import naive
from sampan.kernel import mount
from sampan.model.mount import Mount

TMPFS = [Mount("tmpfs", "tmpfs", ("size=1m", "mode=755"))]


def mounts():
    with open("/proc/self/mountinfo") as file:
        return [line.split()[4] for line in file]


def test_seen_by_nobody_else():
    before = mounts()
    with naive.mounted(TMPFS) as top:
        with open(f"{top}/f", "w") as file:
            file.write("content")
        assert os.listdir(top) == ["f"]
        assert mounts() == before
    assert not os.path.exists(top)
    assert mounts() == before


def test_a_whole_directory_needs_no_mount(tmp_path):
    with naive.mounted([Mount("bind", str(tmp_path), ("rbind", "rw"))]) as top:
        assert top == str(tmp_path)


def test_mounts_inside_mounts(tmp_path):
    (tmp_path / "f").touch()
    (tmp_path / "d").mkdir()
    inner = [Mount("bind", str(tmp_path), ("bind",)), Mount("tmpfs", "tmpfs", ("size=1m",), "d")]
    with naive.mounted(inner) as top:
        open(f"{top}/d/inside", "w").close()
        assert sorted(os.listdir(top)) == ["d", "f"]
    assert os.listdir(tmp_path / "d") == []


def test_a_killed_process_leaves_nothing(tmp_path):
    before = mounts()
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with naive.mounted(TMPFS, str(tmp_path)):
            os.write(tell, b"x")
            signal.pause()
    assert os.read(ready, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)
    assert mounts() == before


def test_what_is_bound_beside_is_seen_where_it_is_told(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "way").symlink_to("/inside")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    bound = {"/way/made": mount.clone(str(tmp_path / "other"), recursive=True),
             "/made": mount.clone(str(tmp_path / "other" / "file"), recursive=True)}
    try:
        with naive.mounted([Mount("none", str(tmp_path / "tree"), ("bind",))], bound=bound) as path:
            assert os.listdir(f"{path}/inside/made") == ["file"]
            with open(f"{path}/made") as file:
                assert file.read() == "x"
    finally:
        for tree in bound.values():
            os.close(tree)
    assert os.listdir(tmp_path / "tree/inside/made") == [] and (tmp_path / "tree/made").read_bytes() == b""


def test_a_failure_is_the_callers(tmp_path):
    before = mounts(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No such device"), naive.mounted([Mount("nosuchfs", "none")]):
        raise AssertionError
    assert (mounts(), len(os.listdir("/proc/self/fd"))) == before
