"""Make bundles of a busybox root file system, and run them with every runtime."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.contracts.runtime import Runtime, Started, Stdio
from sampan.engine import confinement
from sampan.kernel import processes
from sampan.model import runtime_spec as oci

BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "true", "false", "cat", "ls", "id", "sleep", "ps", "hostname", "readlink", "touch", "mkdir", "stat",
           "grep", "head", "stty", "tty", "kill", "env", "pwd", "mount", "echo", "wc", "ulimit", "ip", "seq", "dd",
           "umask", "trap", "test", "mknod", "chroot", "nproc", "setsid")
NAMESPACES = ("mount", "pid", "uts", "ipc", "network", "cgroup")


class Box:
    """One container of a runtime, and what became of it."""

    def __init__(self, runtime: Runtime, where: Path) -> None:
        self.runtime = runtime
        self.id = f"t{uuid.uuid4().hex[:16]}"
        self.bundle = where
        self.rootfs = where / "rootfs"
        self.spec = default_spec(self.id)
        self.pid = 0
        self.console: int | None = None
        self._output = -1

    def write(self) -> None:
        (self.bundle / "config.json").write_bytes(msgspec.json.encode(self.spec))

    def create(self, *args: str) -> Started:
        assert self.spec.process
        if args:
            self.spec.process.args = list(args)
        self.write()
        read, write = os.pipe()
        try:
            started = self.runtime.create(self.id, str(self.bundle), Stdio(None, write, write))
        finally:
            os.close(write)
            self._output = read
        self.pid, self.console = started.pid, started.console
        return started

    def begin(self, *args: str) -> None:
        """Create and start, and leave it running."""
        self.create(*args)
        self.runtime.start(self.id)

    def run(self, *args: str) -> tuple[int, str]:
        """Run to the end; return exit code (negative: signal) and output."""
        self.begin(*args)
        output = read_all(self._output)
        return self.wait(), output

    def shell(self, script: str) -> str:
        """Run a script that must succeed; return what it printed."""
        code, output = self.run("/bin/sh", "-ec", script)
        assert code == 0, output
        return output

    def wait(self) -> int:
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def process(self, *args: str, **changes: Any) -> oci.Process:
        assert self.spec.process
        base = msgspec.structs.replace(self.spec.process, args=list(args), terminal=False, rlimits=[])
        return msgspec.structs.replace(base, **changes)

    def exec(self, *args: str, **changes: Any) -> tuple[int, str]:
        """Run another process to the end; return exit code and output."""
        read, write = os.pipe()
        try:
            started = self.runtime.exec(self.id, self.process(*args, **changes), Stdio(None, write, write))
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        output = read_all(read)
        return os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]), output

    def close(self) -> None:
        self.runtime.delete(self.id, force=True)
        if self.pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        if self.console is not None:
            os.close(self.console)
        assert leftovers(self.id) == []


def read_all(fd: int, patience: float = 20.0) -> str:
    """Read until the last writer is gone, and close."""
    content = b""
    deadline = time.monotonic() + patience
    try:
        while True:
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no end of output after {patience} s: {content!r}"
            chunk = os.read(fd, 65536)
            if not chunk:
                return content.decode(errors="replace")
            content += chunk
    finally:
        os.close(fd)


def leftovers(container: str) -> list[str]:
    """Return the cgroup directories that still bear the container's name."""
    found = []
    for hierarchy in os.scandir("/sys/fs/cgroup"):
        path = f"{hierarchy.path}/sampan-test-{container}"
        if os.path.exists(path):
            found.append(path)
    return found


def default_spec(name: str) -> oci.Spec:
    capabilities = confinement.capability_set((), (), False)
    return oci.Spec(
        process=oci.Process(
            args=["true"], cwd="/", env=["PATH=/bin", "HOME=/root"], capabilities=confinement.sets(capabilities, 0)),
        root=oci.Root(path="rootfs"),
        hostname="box",
        mounts=confinement.mounts(privileged=False, shm_size=0),
        linux=oci.Linux(
            namespaces=[oci.Namespace(type=kind) for kind in NAMESPACES],
            cgroups_path=f"/sampan-test-{name}",
            masked_paths=list(confinement.MASKED_PATHS),
            readonly_paths=list(confinement.READONLY_PATHS),
            seccomp=confinement.default_seccomp(capabilities),
            resources=oci.Resources(devices=confinement.device_rules((), False)),
        ),
    )


def make_rootfs(rootfs: Path) -> None:
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, rootfs / "bin/busybox")
    for name in APPLETS:
        os.link(rootfs / "bin/busybox", rootfs / "bin" / name)
    (rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (rootfs / "tmp").chmod(0o1777)


@pytest.fixture(scope="session", autouse=True)
def _subreaper() -> None:
    processes.become_subreaper()


def _native(root: Path) -> Runtime:
    from sampan_plugins.runtimes.native.driver import NativeRuntime

    return NativeRuntime(str(root), {})


def _oci(root: Path) -> Runtime:
    from sampan_plugins.runtimes.oci.driver import OCIRuntime

    return OCIRuntime(str(root), {})


_MAKERS = {"native": _native, "oci": _oci}


def _boxes(runtime: Runtime, tmp_path: Path) -> Iterator[Callable[[], Box]]:
    made: list[Box] = []

    def make() -> Box:
        where = tmp_path / f"bundle{len(made)}"
        make_rootfs(where / "rootfs")
        made.append(Box(runtime, where))
        return made[-1]

    try:
        yield make
    finally:
        for box in made:
            box.close()


@pytest.fixture(params=list(_MAKERS))
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runtime]:
    """Each runtime in turn."""
    opened = _MAKERS[request.param](tmp_path / "run")
    yield opened
    opened.close()


@pytest.fixture
def boxes(runtime: Runtime, tmp_path: Path) -> Iterator[Callable[[], Box]]:
    """Make containers; whatever a test leaves of them is removed."""
    yield from _boxes(runtime, tmp_path)


@pytest.fixture
def box(boxes: Callable[[], Box]) -> Box:
    """One container of each runtime."""
    return boxes()


@pytest.fixture
def native_box(tmp_path: Path) -> Iterator[Box]:
    """One container of the native runtime."""
    for make in _boxes(_native(tmp_path / "run"), tmp_path):
        yield make()


@pytest.fixture
def boxes_native(tmp_path: Path) -> Iterator[Callable[[], Box]]:
    """Make containers of the native runtime beside ``native_box``."""
    yield from _boxes(_native(tmp_path / "run"), tmp_path / "more")
