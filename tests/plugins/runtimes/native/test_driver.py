"""What is the native runtime's own: robustness when killed, namespaces joined, faults of its children."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from sampan.contracts.runtime import Stdio
from sampan.errors import AlreadyExists, InvalidInput, NotFound, Unsupported
from sampan.kernel import capabilities, processes
from sampan.model import runtime_spec as oci
from sampan_plugins.runtimes.native.driver import NativeRuntime
from sampan_plugins.runtimes.native.state import Home, State


def test_options_are_refused(tmp_path: Any) -> None:
    with pytest.raises(InvalidInput):
        NativeRuntime(str(tmp_path), {"binary": "x"})


def test_ids_cannot_climb(tmp_path: Any) -> None:
    runtime = NativeRuntime(str(tmp_path), {})
    for name in ("..", "a/b", "", ".seccomp"):
        with pytest.raises(InvalidInput):
            runtime.delete(name, force=True)


def test_the_container_dies_with_the_process_that_made_it(native_box: Any) -> None:
    box = native_box
    box.spec.process.args = ["sleep", "1000"]
    box.write()
    read, write = os.pipe()
    maker = os.fork()
    if maker == 0:
        try:
            processes.become_subreaper()
            started = box.runtime.create(box.id, str(box.bundle), Stdio())
            box.runtime.start(box.id)
            os.write(write, str(started.pid).encode())
            time.sleep(1000)
        finally:
            os._exit(1)
    os.close(write)
    pid = int(os.read(read, 32))
    os.close(read)
    start = processes.started(pid)
    assert start
    os.kill(maker, signal.SIGKILL)
    os.waitpid(maker, 0)
    _until(lambda: not processes.alive(pid, start))
    box.runtime.delete(box.id, force=True)
    _reap_all()


def test_a_killed_first_process_cannot_be_started(native_box: Any) -> None:
    box = native_box
    box.create("true")
    os.kill(box.pid, signal.SIGKILL)
    assert box.wait() == -signal.SIGKILL
    from sampan.errors import Conflict

    with pytest.raises(Conflict):
        box.runtime.start(box.id)


def test_a_missing_interpreter_is_told_by_start(native_box: Any) -> None:
    from sampan.errors import CommandNotFound

    script = native_box.rootfs / "bin/script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    native_box.create("/bin/script")
    with pytest.raises(CommandNotFound, match=r"^exec /bin/script: no such file or directory"):
        native_box.runtime.start(native_box.id)


def test_a_file_of_no_known_format_is_told_by_start(native_box: Any) -> None:
    from sampan.errors import CommandNotExecutable

    script = native_box.rootfs / "bin/script"
    script.write_text("no script\n")
    script.chmod(0o755)
    native_box.create("script")
    with pytest.raises(CommandNotExecutable, match=r"^exec /bin/script: exec format error"):
        native_box.runtime.start(native_box.id)


def test_namespaces_can_be_joined(native_box: Any, boxes_native: Callable[[], Any]) -> None:
    other = boxes_native()
    native_box.begin("sleep", "1000")
    kinds = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
    for item in other.spec.linux.namespaces:
        if item.type in kinds:
            item.path = f"/proc/{native_box.pid}/ns/{kinds[item.type]}"
    other.spec.hostname = ""
    other.begin("sleep", "1000")
    for name in kinds.values():
        assert os.readlink(f"/proc/{other.pid}/ns/{name}") == os.readlink(f"/proc/{native_box.pid}/ns/{name}")
    assert os.readlink(f"/proc/{other.pid}/ns/mnt") != os.readlink(f"/proc/{native_box.pid}/ns/mnt")


def test_a_namespace_by_descriptor_of_another_process(native_box: Any) -> None:
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        for item in native_box.spec.linux.namespaces:
            if item.type == "network":
                item.path = f"/proc/{os.getpid()}/fd/{fd}"
        native_box.begin("sleep", "1000")
        assert os.readlink(f"/proc/{native_box.pid}/ns/net") == os.readlink("/proc/self/ns/net")
    finally:
        os.close(fd)


def test_a_namespace_that_is_not_there(native_box: Any) -> None:
    native_box.spec.linux.namespaces[-1].path = "/no/such/namespace"
    with pytest.raises(InvalidInput, match="/no/such/namespace"):
        native_box.create("true")


def test_user_namespace(native_box: Any) -> None:
    _map_users(native_box)
    output = native_box.shell("id -u; cat /proc/self/uid_map; echo x > /dev/null; head -c1 /dev/zero | wc -c")
    assert output.split() == ["0", "0", "100000", "65536", "1"]


def test_exec_in_a_user_namespace(native_box: Any) -> None:
    _map_users(native_box)
    native_box.begin("sleep", "1000")
    assert native_box.exec("id", "-u") == (0, "0\n")


def test_missing_privileges_are_named(native_box: Any) -> None:
    absent = capabilities.names(~capabilities.permitted() & capabilities.mask(capabilities.NAMES))
    assert absent, "this machine lacks CAP_SYS_RESOURCE"
    native_box.spec.process.capabilities = oci.Capabilities(bounding=absent, effective=absent, permitted=absent)
    with pytest.raises(Unsupported, match=absent[0]):
        native_box.create("true")


def test_a_broken_bundle_is_named(native_box: Any) -> None:
    with pytest.raises(InvalidInput, match="no such bundle"):
        native_box.runtime.create(native_box.id, "/no/such/bundle", Stdio())
    (native_box.bundle / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"config\.json is not valid"):
        native_box.runtime.create(native_box.id, str(native_box.bundle), Stdio())


def test_python_of_the_container_is_never_run(native_box: Any) -> None:
    # Modules where this interpreter would look for them, should it import anything after its root has changed.
    for directory in [path for path in sys.path if path.startswith("/")]:
        for name in ("os", "encodings", "traceback", "msgspec", "errno", "resource"):
            module = native_box.rootfs / f"{directory.lstrip('/')}/{name}.py"
            module.parent.mkdir(parents=True, exist_ok=True)
            module.write_text("open('/pwned', 'w').close()\n")
    assert native_box.shell("true") == ""
    with pytest.raises(Exception, match="executable file not found"):
        native_box.runtime.delete(native_box.id)
        native_box.create("no-such-command")
    assert not (native_box.rootfs / "pwned").exists()


def test_no_descriptor_stays_open_in_the_caller(native_box: Any) -> None:
    def opened() -> set[str]:
        return set(os.listdir("/proc/self/fd"))

    native_box.run("true")
    native_box.runtime.delete(native_box.id)
    before = opened()
    native_box.run("true")
    native_box.runtime.delete(native_box.id)
    with pytest.raises(NotFound):
        native_box.create("nothing-there")
    native_box.runtime.delete(native_box.id)
    native_box.close_output()
    assert len(opened()) <= len(before)


def test_sessions_and_keyrings_are_the_containers_own(native_box: Any) -> None:
    native_box.begin("sleep", "1000")
    with open(f"/proc/{native_box.pid}/stat") as file:
        fields = file.read().rpartition(") ")[2].split()
    assert int(fields[3]) == native_box.pid


def test_failures_leave_no_zombie(native_box: Any) -> None:
    native_box.begin("sleep", "1000")
    for _ in range(5):
        with pytest.raises(NotFound):
            native_box.exec("nothing-there")
    native_box.runtime.delete(native_box.id, force=True)
    native_box.wait()
    for mount in native_box.spec.mounts:
        mount.options.append("nonsense")
    for _ in range(5):
        with pytest.raises(InvalidInput, match=r"^mounting /proc failed"):
            native_box.create("true")
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        for pid in file.read().split():
            with open(f"/proc/{pid}/stat") as stat:
                assert ") Z " not in stat.read()


def test_state_is_replaced_at_once(tmp_path: Any) -> None:
    home = Home(str(tmp_path), "c1")
    home.claim()
    with pytest.raises(AlreadyExists):
        home.claim()
    home.write(State(id="c1", bundle="/b", cgroup="/sampan/c1"))
    home.write(State(id="c1", bundle="/b", cgroup="/sampan/c1", pid=1, start=2))
    assert home.read().pid == 1
    assert os.listdir(home.path) == ["state.json"]
    home.remove()
    with pytest.raises(NotFound):
        home.read()


def test_state_is_a_document(native_box: Any) -> None:
    native_box.begin("sleep", "1000")
    path = f"{native_box.bundle.parent}/run/{native_box.id}/state.json"
    with open(path, "rb") as file:
        assert msgspec.json.decode(file.read())["pid"] == native_box.pid


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _map_users(box: Any) -> None:
    """Ask for a user namespace, whose root must be able to reach the root file system."""
    for path in (box.bundle, *box.bundle.parents):
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    box.spec.linux.namespaces.append(oci.Namespace(type="user"))
    box.spec.linux.uid_mappings = [oci.IDMapping(container_id=0, host_id=100000, size=65536)]
    box.spec.linux.gid_mappings = [oci.IDMapping(container_id=0, host_id=100000, size=65536)]


def _reap_all() -> None:
    """Reap the orphans that fell to this process."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
