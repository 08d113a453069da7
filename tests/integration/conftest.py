"""Drive the command line as a user does: a root of its own for every test, which must leave nothing behind."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.leaks import leaks
from tests.integration.sampan import Sampan

_BUSYBOX = Path("/usr/bin/busybox")


@pytest.fixture(scope="session")
def rootfs_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system: Debian's static busybox, and bash with the libraries it needs."""
    tree = tmp_path_factory.mktemp("rootfs")
    for directory in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
        (tree / directory).mkdir()
    (tree / "tmp").chmod(0o1777)
    shutil.copy2(_BUSYBOX, tree / "bin/busybox")
    for applet in subprocess.run([_BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if applet != "busybox":
            (tree / "bin" / applet).symlink_to("busybox")
    libraries = subprocess.run(["ldd", "/bin/bash"], check=True, capture_output=True, text=True).stdout
    for path in ["/bin/bash", *(word for word in libraries.split() if word.startswith("/"))]:
        (tree / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, tree / path[1:])
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/tmp:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\nalice:x:1000:\nfriends:x:2000:alice\n")
    archive = tmp_path_factory.mktemp("archive") / "rootfs.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tree, ".")
    return archive


@pytest.fixture(scope="session")
def imported(rootfs_tar: Path) -> Iterator[Sampan]:
    """A store that holds the image ``bb:1``, to be copied."""
    with tempfile.TemporaryDirectory(prefix="sq", dir="/tmp") as directory:
        sampan = Sampan(Path(directory))
        sampan.run("import", "-c", 'CMD ["sh"]', "-c", "ENV FROM=image", rootfs_tar, "bb:1")
        yield sampan


@pytest.fixture
def empty() -> Iterator[Sampan]:
    """An empty store. At the end all that it started is removed, and nothing of it may be left on the machine."""
    # Not tmp_path: the path of a Unix socket may have 107 characters, of which 88 are not ours.
    directory = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))
    sampan = Sampan(directory)
    try:
        yield sampan
        sampan.clear()
        assert leaks(sampan) == []
        shutil.rmtree(directory)
    finally:
        sampan.destroy()


@pytest.fixture
def sampan(empty: Sampan, imported: Sampan) -> Sampan:
    """A store with the image ``bb:1``: busybox and bash, ``sh`` by default."""
    subprocess.run(["cp", "-a", imported.root, empty.root], check=True)
    return empty
