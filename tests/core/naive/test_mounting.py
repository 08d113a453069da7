import os
import signal

import pytest

from sampan import naive
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


def test_a_failure_is_the_callers(tmp_path):
    before = mounts(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No such device"), naive.mounted([Mount("nosuchfs", "none")]):
        raise AssertionError
    assert (mounts(), len(os.listdir("/proc/self/fd"))) == before
