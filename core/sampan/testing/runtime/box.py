"""Make bundles of a busybox root file system, run them, and see that nothing is left of them."""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from sampan.contracts.runtime import Runtime, Started, Stdio
from sampan.engine import confinement
from sampan.kernel.cgroups import ROOT
from sampan.model import runtime_spec as oci

PATIENCE = 20.0  # seconds until what should happen counts as not happening
NAMESPACES = ("mount", "pid", "uts", "ipc", "network", "cgroup")
_GROUP = "sampan-test-"
_BUSYBOX = "/bin/busybox"
_APPLETS = (
    "sh", "true", "false", "cat", "ls", "id", "sleep", "ps", "hostname", "readlink", "touch", "mkdir", "stat", "grep",
    "head", "stty", "tty", "kill", "env", "pwd", "mount", "echo", "wc", "ulimit", "ip", "seq", "dd", "umask", "trap",
    "test", "mknod", "chroot", "nproc", "setsid",
)  # fmt: skip


class Linux(oci.Linux):
    """The Linux part of a spec that has limits."""

    resources: oci.Resources = msgspec.field(default_factory=oci.Resources)


class Spec(oci.Spec):
    """A spec with all its parts there, so that a test can change one."""

    process: oci.Process = msgspec.field(default_factory=lambda: oci.Process(args=["true"]))
    root: oci.Root = msgspec.field(default_factory=lambda: oci.Root(path="rootfs"))
    linux: Linux = msgspec.field(default_factory=Linux)


class Box:
    """One container of a runtime, and what became of it. ``where`` becomes its bundle."""

    def __init__(self, runtime: Runtime, where: Path) -> None:
        self.runtime = runtime
        self.id = f"t{uuid.uuid4().hex[:16]}"
        self.bundle = where
        self.rootfs = where / "rootfs"
        make_rootfs(self.rootfs)
        self.spec = default_spec(self.id)
        self.pid = 0
        self.console: int | None = None
        self._output: int | None = None

    def write(self) -> None:
        """Write the bundle's config.json."""
        (self.bundle / "config.json").write_bytes(msgspec.json.encode(self.spec))

    def create(self, *args: str) -> Started:
        """Have it created, with this command if any is given."""
        if args:
            self.spec.process.args = list(args)
        self.write()
        self.close_output()
        self._output, write = os.pipe()
        try:
            started = self.runtime.create(self.id, str(self.bundle), Stdio(None, write, write))
        finally:
            os.close(write)
        self.pid, self.console = started.pid, started.console
        return started

    def begin(self, *args: str) -> None:
        """Create and start, and leave it running."""
        self.create(*args)
        self.runtime.start(self.id)

    def run(self, *args: str) -> tuple[int, str]:
        """Run to the end; return exit code (negative: signal) and output."""
        self.begin(*args)
        assert self._output is not None
        output = read_all(self._output)
        return self.wait(), output

    def shell(self, script: str) -> str:
        """Run a script that must succeed; return what it printed."""
        code, output = self.run("/bin/sh", "-ec", script)
        assert code == 0, output
        return output

    def wait(self) -> int:
        """Wait for the first process, once; return its exit code (negative: signal)."""
        pid, self.pid = self.pid, 0
        return wait(pid)

    def process(self, *args: str, **changes: Any) -> oci.Process:
        """Return a process like the first, without its terminal."""
        base = msgspec.structs.replace(self.spec.process, args=list(args), terminal=False, rlimits=[])
        return msgspec.structs.replace(base, **changes)

    def exec(self, *args: str, **changes: Any) -> tuple[int, str]:
        """Run another process to the end; return exit code and output."""
        read, write = os.pipe()
        try:
            try:
                started = self.runtime.exec(self.id, self.process(*args, **changes), Stdio(None, write, write))
            finally:
                os.close(write)
            output = read_all(read)
        finally:
            os.close(read)
        return wait(started.pid), output

    def close(self) -> None:
        """Remove it, and check that nothing is left."""
        self.runtime.delete(self.id, force=True)
        if self.pid:
            with suppress(ChildProcessError):
                wait(self.pid)
        if self.console is not None:
            os.close(self.console)
        self.close_output()
        assert leftovers(self.id) == []

    def close_output(self) -> None:
        """Let go of the pipe that the first process writes to."""
        if self._output is not None:
            os.close(self._output)
        self._output = None


@contextmanager
def making(runtime: Runtime, where: Path) -> Iterator[Callable[[], Box]]:
    """Give a function that makes boxes, with bundles below ``where``; in the end nothing of them is left."""
    with ExitStack() as stack:
        numbers = iter(range(1000))

        def box() -> Box:
            made = Box(runtime, where / f"bundle{next(numbers)}")
            stack.callback(made.close)
            return made

        yield box


def read_all(fd: int) -> str:
    """Read until the last writer is gone."""
    content = b""
    deadline = time.monotonic() + PATIENCE
    while True:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"no end of output after {PATIENCE} s: {content!r}"
        chunk = os.read(fd, 65536)
        if not chunk:
            return content.decode(errors="replace")
        content += chunk


def wait(child: int) -> int:
    """Wait for a process to end; return its exit code (negative: signal). One that does not is killed."""
    deadline = time.monotonic() + PATIENCE
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"the process had not ended after {PATIENCE} s")
        time.sleep(0.001)
    return os.waitstatus_to_exitcode(ended[1])


def until(condition: Callable[[], object]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.005)


def leftovers(container: str) -> list[str]:
    """Return the cgroup directories that still bear the container's name."""
    places = [ROOT, *(hierarchy.path for hierarchy in os.scandir(ROOT) if hierarchy.is_dir())]
    return [path for path in (f"{place}/{_GROUP}{container}" for place in places) if os.path.exists(path)]


def default_spec(name: str) -> Spec:
    """Return the spec of a container as confined as the engine's usually are."""
    capabilities = confinement.capability_set((), (), False)
    return Spec(
        process=oci.Process(
            args=["true"], cwd="/", env=["PATH=/bin", "HOME=/root"], capabilities=confinement.sets(capabilities, 0)),
        hostname="box",
        mounts=confinement.mounts(privileged=False, shm_size=0),
        linux=Linux(
            namespaces=[oci.Namespace(type=kind) for kind in NAMESPACES],
            cgroups_path=f"/{_GROUP}{name}",
            masked_paths=list(confinement.MASKED_PATHS),
            readonly_paths=list(confinement.READONLY_PATHS),
            seccomp=confinement.default_seccomp(capabilities),
            resources=oci.Resources(devices=confinement.device_rules((), False)),
        ),
    )


def make_rootfs(rootfs: Path) -> None:
    """Make a root file system of busybox and little else."""
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root"):
        (rootfs / name).mkdir(parents=True)
    assert os.path.exists(_BUSYBOX), "the suite needs a static busybox: apt-get install busybox-static"
    shutil.copy(_BUSYBOX, rootfs / "bin/busybox")
    for name in _APPLETS:
        os.link(rootfs / "bin/busybox", rootfs / "bin" / name)
    (rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (rootfs / "tmp").chmod(0o1777)
