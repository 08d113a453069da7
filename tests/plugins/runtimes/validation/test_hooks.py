"""config.md, "POSIX-platform Hooks": what runc 1.1 does otherwise, as those after the start."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sampan.contracts.runtime import Stdio
from sampan.errors import Conflict, InvalidInput, SampanError, Unavailable
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.hooks import shell
from sampan_plugins.runtimes.native.driver import NativeRuntime
from sampan_plugins.runtimes.native.manner import Manner


def test_those_after_the_start_run_while_the_command_does(native_box: Any, tmp_path: Path) -> None:
    script = f"cat > {tmp_path}/told; readlink /proc/self/ns/mnt > {tmp_path}/ns"
    native_box.spec.hooks = oci.Hooks(poststart=[shell(script)])
    native_box.create("sleep", "1000")
    assert not (tmp_path / "told").exists()
    native_box.runtime.start(native_box.id)
    told = json.loads((tmp_path / "told").read_text())
    assert (told["status"], told["pid"]) == ("running", native_box.pid)
    assert (tmp_path / "ns").read_text().strip() == os.readlink("/proc/self/ns/mnt")


def test_a_hook_has_its_own_arguments_and_environment(native_box: Any, tmp_path: Path) -> None:
    script = tmp_path / "hook"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/args; env >> {tmp_path}/env\n'
                      f'ls /proc/self/fd | wc -l >> {tmp_path}/fds\n')
    script.chmod(0o755)
    os.environ["SAMPAN_TEST_SECRET"] = "x"
    native_box.spec.hooks = oci.Hooks(prestart=[
        oci.Hook(path=str(script), args=["zero", "one", "two"], env=["PATH=/bin:/usr/bin", "A=b=c"]),
        oci.Hook(path=str(script), env=["PATH=/bin:/usr/bin"])])
    native_box.create("true")
    assert (tmp_path / "args").read_text() == "one two\n\n"
    environment = (tmp_path / "env").read_text()
    assert "A=b=c\n" in environment and "SECRET" not in environment
    assert set((tmp_path / "fds").read_text().split()) == {"4"}


def test_one_that_fails_after_the_start_ends_the_container(native_box: Any) -> None:
    box = native_box
    box.spec.hooks = oci.Hooks(poststart=[oci.Hook(path="/bin/false")])
    box.create("sleep", "1000")
    with pytest.raises(SampanError):
        box.runtime.start(box.id)
    assert box.wait() < 0


def test_those_after_the_end_all_run_whatever_they_end_with(native_box: Any, tmp_path: Path) -> None:
    heard: list[str] = []
    runtime = NativeRuntime(str(tmp_path / "run"), {}, Manner(warn=heard.append))
    native_box.spec.hooks = oci.Hooks(poststop=[oci.Hook(path="/bin/false"), shell(f"touch {tmp_path}/second")])
    native_box.spec.process.args = ["true"]
    native_box.write()
    native_box.pid = runtime.create(native_box.id, str(native_box.bundle), Stdio()).pid
    runtime.start(native_box.id)
    native_box.wait()
    runtime.delete(native_box.id)
    assert (tmp_path / "second").exists()
    assert len(heard) == 1 and "poststop hook #0 (/bin/false) failed: exit status 1" in heard[0]


def test_those_after_the_end_run_after_a_failed_creation(native_box: Any, tmp_path: Path) -> None:
    native_box.spec.hooks = oci.Hooks(
        prestart=[oci.Hook(path="/bin/false")], poststop=[shell(f"touch {tmp_path}/done")])
    with pytest.raises(Unavailable):
        native_box.create("true")
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("hook", [oci.Hook(path="bin/true"), oci.Hook(path="/bin/true", timeout=0)])
def test_malformed_ones(native_box: Any, hook: oci.Hook) -> None:
    native_box.spec.hooks = oci.Hooks(poststop=[hook])
    with pytest.raises(InvalidInput, match="hook"):
        native_box.create("true")


def test_those_of_the_container_are_confined_as_its_command(native_box: Any) -> None:
    # Their program is the container's own: it gets no right that the command has not.
    native_box.spec.process.user.uid = 1000
    script = "cat /proc/self/status > /tmp/status; ls /proc/self/fd > /tmp/fds"
    native_box.spec.hooks = oci.Hooks(start_container=[shell(script)])
    assert native_box.shell("grep -E '^(Uid|Seccomp|CapEff|CapPrm):' /tmp/status; cat /tmp/fds").split() == [
        "Uid:", "1000", "1000", "1000", "1000", "CapPrm:", "0000000000000000", "CapEff:", "0000000000000000",
        "Seccomp:", "2", "0", "1", "2", "3"]


def test_one_of_the_container_that_leads_to_the_interpreter(native_box: Any) -> None:
    (native_box.rootfs / "bin/hook").symlink_to("/proc/self/exe")
    hook = oci.Hook(path="/bin/hook", args=["hook", "-c", "open('/pwned', 'w')"])
    native_box.spec.hooks = oci.Hooks(start_container=[hook])
    native_box.create("true")
    with pytest.raises(Unavailable):
        native_box.runtime.start(native_box.id)
    assert not (native_box.rootfs / "pwned").exists()


def test_a_container_whose_hooks_run_can_be_told_to_start_once_only(native_box: Any) -> None:
    native_box.spec.hooks = oci.Hooks(poststart=[oci.Hook(path="/bin/true")])
    native_box.begin("sleep", "1000")
    with pytest.raises(Conflict):
        native_box.runtime.start(native_box.id)
