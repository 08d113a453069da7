import os
import random
import stat

import pytest

from sampan.testing.storage import CAPABILITY


@pytest.fixture
def described():
    """Give a function that tells everything of a tree, by path."""
    return _described


def _described(top):
    """Return everything that can be told of a tree, by path."""
    found = {}
    inodes = {}
    for path, directories, files in os.walk(os.fsencode(top)):
        for name in [b"", *directories, *files]:
            full = os.path.join(path, name) if name else path
            status = os.lstat(full)
            kind = stat.S_IFMT(status.st_mode)
            content = b""
            if kind == stat.S_IFREG:
                with open(full, "rb") as file:
                    content = file.read()
            elif kind == stat.S_IFLNK:
                content = os.readlink(full)
            xattrs = {key: os.getxattr(full, key, follow_symlinks=False)
                      for key in os.listxattr(full, follow_symlinks=False)}
            relative = os.path.relpath(full, os.fsencode(top))
            first = inodes.setdefault(status.st_ino, relative) if kind != stat.S_IFDIR else None
            found[relative] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev,
                               content, xattrs, first)
    return found


@pytest.fixture
def sample(tmp_path_factory):
    """Give a directory with every kind of file."""
    top = tmp_path_factory.mktemp("sample")
    (top / "deep" / ("d" * 120) / ("e" * 120)).mkdir(parents=True)
    (top / "deep" / ("d" * 120) / ("e" * 120) / ("f" * 150)).write_bytes(b"long")
    (top / "empty").touch()
    (top / "big").write_bytes(random.Random(1).randbytes(700_001))
    (top / "block").write_bytes(b"x" * 512)
    with open(os.fsencode(top) + b"/caf\xe9\xff", "wb") as file:
        file.write(b"odd")
    os.link(top / "big", top / "deep" / "hard")
    os.symlink("../" * 60 + "x" * 90, top / "soft")
    os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(top / "loop", stat.S_IFBLK | 0o660, os.makedev(7, 300))
    os.mkfifo(top / "pipe")
    (top / "suid").write_bytes(b"s")
    os.chown(top / "suid", 3_000_000, 4_000_000)
    os.chmod(top / "suid", 0o6751)
    os.mkdir(top / "sgid")
    os.chown(top / "sgid", 5, 6)
    os.chmod(top / "sgid", 0o3770)
    (top / "sgid" / "mine").touch()
    os.chown(top / "sgid" / "mine", 0, 0)
    (top / "caps").write_bytes(b"c")
    os.setxattr(top / "caps", "security.capability", CAPABILITY)
    os.setxattr(top / "caps", "user.k", b"v=\n\x00w")
    for path, directories, files in os.walk(top, topdown=False):
        for name in directories + files:
            os.utime(f"{path}/{name}", ns=(0, 1_234_567_890_123_456_789), follow_symlinks=False)
    os.utime(top, (0, 77))
    return str(top)
