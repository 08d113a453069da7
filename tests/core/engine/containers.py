"""Run real containers of a small busybox image, and look for what they leave behind."""

from __future__ import annotations

import io
import os
import select
import socket
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from sampan.config import Settings
from sampan.engine import networking
from sampan.engine.attach import Attachment
from sampan.engine.engine import Engine
from sampan.engine.wire import Kind
from sampan.errors import Conflict, NotFound
from sampan.model.container import Container, ContainerSpec

IMAGE = "bb:1"
_BUSYBOX = "/bin/busybox"
_APPLETS = (
    "sh", "cat", "cut", "dd", "echo", "env", "false", "grep", "head", "hostname", "id", "ip", "kill", "ls", "md5sum",
    "mkdir", "mount", "ping", "ps", "pwd", "rm", "seq", "setsid", "sleep", "stat", "stty", "tail", "test", "touch",
    "tr", "true", "tty", "usleep", "wc", "wget", "yes",
)
PATIENCE = 20.0


@cache
def image_tar() -> bytes:
    """Return the image's only layer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root", "home", "home/alice"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(_BUSYBOX, "bin/busybox")
        for name in _APPLETS:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname, entry.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
            entry.mtime = int(os.stat(_BUSYBOX).st_mtime)
            tar.addfile(entry)
        files = {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:100:Alice:/home/alice:/bin/sh\n",
            "etc/group": "root:x:0:\nusers:x:100:\nwheel:x:10:alice\n",
            "etc/plain": "not a program\n",
        }
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o644, len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return out.getvalue()


class Bench:
    """An engine on roots of its own with the image in it, and what containers did with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.made: list[str] = []
        engine.import_image(io.BytesIO(image_tar()), IMAGE)

    def create(self, *command: str, **spec: Any) -> Container:
        spec.setdefault("network", "none")
        container = self.engine.create(ContainerSpec(image=IMAGE, command=command, **spec))
        self.made.append(container.id)
        return container

    def start(self, *command: str, **spec: Any) -> Container:
        """Create and start; return the record as it is then."""
        container = self.create(*command, **spec)
        self.engine.start(container.id)
        return self.engine.container(container.id)

    def attached(self, *command: str, size: tuple[int, int] | None = None, **spec: Any) -> Attachment:
        container = self.create(*command, **spec)
        attachment = self.engine.start(container.id, attach=True, size=size)
        assert attachment is not None
        return attachment

    def run(self, *command: str, **spec: Any) -> tuple[int | None, str]:
        """Run to the end; return exit code and what it printed to either stream."""
        with self.attached(*command, **spec) as attachment:
            output, errors = collect(attachment)
            return attachment.exit_code, (output + errors).decode()

    def shell(self, script: str, **spec: Any) -> str:
        """Run a script that must succeed; return what it printed."""
        code, output = self.run("sh", "-ec", script, **spec)
        assert code == 0, output
        return output

    def close(self) -> None:
        """Remove every container, and see that nothing is left."""
        try:
            for container in self.engine.containers(all=True):
                self.made.append(container.id)
                with suppress(NotFound, Conflict):  # another thread or monitor may be at it
                    self.engine.remove(container.id, force=True)
            eventually(lambda: not self.engine.containers(all=True))
            eventually(lambda: leftovers(self.engine, self.made) == [], lambda: leftovers(self.engine, self.made))
        finally:
            if os.path.exists(self.engine.layout.network("bridge")):
                # A command killed between making it and recording it leaves it to the next one that wants it.
                networking.resolve(self.engine, "bridge")
            for network in self.engine.store.networks.all():
                self.engine.network(network.driver).remove(network)


@contextmanager
def bench_at(root: Path, storage: str = "overlay2", **settings: Any) -> Iterator[Bench]:
    """Open a bench below ``root``; a bridge network gets a name that nobody else uses."""
    with Engine(settings_at(root, storage, **settings)) as engine:
        bench = Bench(engine)
        try:
            yield bench
        finally:
            bench.close()


def settings_at(root: Path, storage: str = "overlay2", **settings: Any) -> Settings:
    return Settings(
        root=str(root / "data"), run_root=str(root / "run"), storage=(storage,),
        options={"network/bridge": {"bridge": f"st{uuid.uuid4().hex[:8]}"}}, **settings,
    )


def collect(attachment: Attachment) -> tuple[bytes, bytes]:
    """Return all output and all errors until the end."""
    found = {Kind.OUTPUT: bytearray(), Kind.ERRORS: bytearray()}
    while select.select([attachment], [], [], PATIENCE)[0]:
        received = attachment.receive()
        if received is None:
            break
        for kind, content in received:
            found[kind] += content
    else:
        raise AssertionError(f"no end after {found}")
    return bytes(found[Kind.OUTPUT]), bytes(found[Kind.ERRORS])


def read_until(attachment: Attachment, wanted: bytes) -> bytes:
    """Read until what came contains ``wanted``."""
    content = bytearray()
    deadline = time.monotonic() + PATIENCE
    while wanted not in content:
        assert select.select([attachment], [], [], deadline - time.monotonic())[0], f"no {wanted!r} in {content!r}"
        received = attachment.receive()
        assert received is not None, f"the end came before {wanted!r}: {content!r}"
        for _, chunk in received:
            content += chunk
    return bytes(content)


def eventually(
    true: Callable[[], bool], otherwise: Callable[[], object] = lambda: "it did not come true"
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.005)


def leftovers(engine: Engine, containers: list[str]) -> list[str]:
    """Return what there is of containers that are not on record, and of commands that are over."""
    layout, database = engine.layout, engine.store.database
    known = {str(row[0]) for row in database.all("SELECT id FROM containers")}
    running = {str(row[0]) for row in database.all("SELECT id FROM containers WHERE status = 'running'")}
    found = [f"journal {row}" for row in database.all("SELECT operation, action FROM journal")]
    found += [f"lease {row}" for row in database.all("SELECT * FROM leases")]
    found += [f"status {row}" for row in database.all(
        "SELECT id, status FROM containers WHERE status IN ('creating', 'removing')")]
    found += [f"container {name}" for name in _entries(f"{layout.root}/containers") if name not in known]
    found += [f"bundle {name}" for name in _entries(f"{layout.run_root}/containers") if name not in running]
    found += [f"lock {name}" for name in _entries(layout.locks)]
    found += [f"temporary {name}" for name in _entries(layout.temporary)]
    for runtime in engine.plugins.names("runtimes"):
        own = layout.runtime(runtime)
        for place in (own, f"{own}/bundles", f"{own}/state"):
            found += [f"state {name}" for name in _entries(place) if len(name) == 64 and name not in running]
    layers = {str(row[0]) for row in database.all("SELECT chain FROM layers")}
    found += [f"snapshot {s.key}" for s in engine.storage().walk() if s.key not in known | layers]
    for hierarchy in os.listdir("/sys/fs/cgroup"):
        for container in {*containers, *known} - running:
            if os.path.exists(f"/sys/fs/cgroup/{hierarchy}/sampan/{container}"):
                found.append(f"cgroup {hierarchy}/sampan/{container}")
    with open("/proc/self/mountinfo") as mounts:
        found += [f"mount {line}" for line in mounts if f" {layout.root}/" in line or f" {layout.run_root}/" in line]
    return found + _network_leftovers(engine, running)


def _network_leftovers(engine: Engine, running: set[str]) -> list[str]:
    found, lent = [], 0
    for network in engine.store.networks.all():
        holders = list(engine.network(network.driver).endpoints(network))
        lent += len(holders)
        found += [f"address of {holder}" for holder in holders if holder not in running]
    bridge = engine.settings.options["network/bridge"]["bridge"]
    links = {name for _, name in socket.if_nameindex()}  # what is not in it any more, sysfs may list for a moment
    ports = [port for port in _entries(f"/sys/class/net/{bridge}/brif") if port in links]
    return found + ([f"veths {ports}"] if len(ports) > lent else [])


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def processes_with(text: str) -> list[int]:
    """Return the pids of processes whose command line contains ``text``."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if text.encode() in file.read():
                    found.append(int(name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def python(program: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Run a program in an interpreter of its own."""
    return subprocess.Popen([sys.executable, "-W", "error", "-c", program, *arguments], **options)


def kill_after(seconds: float, program: str, *arguments: str) -> None:
    """Run a program, and kill it this long after it has printed ``go``."""
    command = python(program, *arguments, stdout=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stdout.readline() == b"go\n"
    time.sleep(seconds)
    command.kill()
    command.wait()
    command.stdout.close()
