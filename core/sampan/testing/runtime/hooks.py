"""Check hooks (config.md, "POSIX-platform Hooks"): which run when and where, what they are told, and their failures."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import SampanError
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import Box

KINDS = ("prestart", "create_runtime", "create_container", "start_container", "poststop")


def shell(script: str, **more: Any) -> oci.Hook:
    """Return a hook that runs a script."""
    return oci.Hook(path="/bin/sh", args=["sh", "-c", script], env=["PATH=/bin:/usr/bin"], **more)


class HookTests:
    """When hooks run, where, and what comes of them."""

    def test_all_run_in_order(self, box: Box, tmp_path: Path) -> None:
        log = tmp_path / "log"
        box.spec.mounts.append(oci.Mount(destination="/tmp", type="bind", source=str(tmp_path), options=["rbind"]))
        hooks = {kind: [shell(f"echo {kind} >> {log}"), shell(f"echo {kind} again >> {log}")] for kind in KINDS}
        hooks["start_container"] = [
            shell("echo start_container >> /tmp/log"), shell("echo start_container again >> /tmp/log")]
        box.spec.hooks = oci.Hooks(**hooks)
        box.create("sh", "-c", "echo command >> /tmp/log")
        made = [line for kind in KINDS[:3] for line in (kind, f"{kind} again")]
        assert log.read_text().splitlines() == made
        box.runtime.start(box.id)
        box.wait()
        begun = [*made, "start_container", "start_container again", "command"]
        assert log.read_text().splitlines() == begun
        box.runtime.delete(box.id)
        assert log.read_text().splitlines() == [*begun, "poststop", "poststop again"]

    def test_each_is_told_the_state(self, box: Box, tmp_path: Path) -> None:
        hooks = {kind: [shell(f"cat > {tmp_path}/{kind}")] for kind in KINDS}
        hooks["start_container"] = [shell("cat > /told/start_container")]
        box.spec.mounts.append(oci.Mount(destination="/told", type="bind", source=str(tmp_path), options=["rbind"]))
        box.spec.annotations = {"org.example": "x"}
        box.spec.hooks = oci.Hooks(**hooks)
        box.begin("sleep", "1000")
        pid = box.pid
        box.runtime.delete(box.id, force=True)
        told = {kind: json.loads((tmp_path / kind).read_text()) for kind in KINDS}
        for kind, state in told.items():
            assert (state["id"], state["bundle"]) == (box.id, str(box.bundle))
            assert state["annotations"] == {"org.example": "x"}
            assert state["ociVersion"].startswith("1.")
            if kind in ("prestart", "create_runtime"):
                assert state["pid"] == pid
        assert [told[kind]["status"] for kind in ("prestart", "create_runtime", "create_container")] == ["creating"] * 3
        assert [told[kind]["status"] for kind in KINDS[3:]] == ["created", "stopped"]

    def test_each_runs_in_its_namespaces(self, box: Box, tmp_path: Path) -> None:
        script = "for kind in mnt uts; do readlink /proc/self/ns/$kind; done"
        hooks = {kind: [shell(f"({script}) > {tmp_path}/{kind}")] for kind in KINDS}
        hooks["start_container"] = [shell(f"({script}) > /told/start_container")]
        box.spec.mounts.append(oci.Mount(destination="/told", type="bind", source=str(tmp_path), options=["rbind"]))
        box.spec.hooks = oci.Hooks(**hooks)
        box.begin("sleep", "1000")
        theirs = [os.readlink(f"/proc/{box.pid}/ns/{kind}") for kind in ("mnt", "uts")]
        ours = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "uts")]
        box.runtime.delete(box.id, force=True)
        where = {kind: (tmp_path / kind).read_text().split() for kind in KINDS}
        assert where["create_container"] == where["start_container"] == theirs
        assert where["prestart"] == where["create_runtime"] == where["poststop"] == ours

    def test_those_of_creation_run_with_all_mounted_and_before_the_root_is_changed(
        self, box: Box, tmp_path: Path
    ) -> None:
        box.spec.mounts.append(oci.Mount(destination="/made", type="tmpfs", source="tmpfs"))
        box.spec.hooks = oci.Hooks(create_container=[shell(f"touch {box.rootfs}/made/by-hook; ls / > {tmp_path}/seen")])
        assert box.shell("ls /made") == "by-hook\n"
        assert "made" not in (tmp_path / "seen").read_text().split()
        assert not (box.rootfs / "made/by-hook").exists()

    @pytest.mark.parametrize("kind", KINDS[:3])
    def test_one_that_fails_ends_the_creation(self, box: Box, kind: str, tmp_path: Path) -> None:
        hooks = {kind: [shell("echo said; echo wrong >&2; exit 3"), shell(f"touch {tmp_path}/second")]}
        box.spec.hooks = oci.Hooks(**hooks)
        with pytest.raises(SampanError, match=r"(?s)exit status 3.*wrong"):
            box.create("true")
        assert not (tmp_path / "second").exists()
        assert box.runtime.pids(box.id) == []
        box.spec.hooks = None
        assert box.run("true")[0] == 0  # nothing is left that takes the name

    def test_one_that_fails_before_the_command_ends_the_start(self, box: Box) -> None:
        box.spec.hooks = oci.Hooks(start_container=[oci.Hook(path="/bin/false")])
        box.create("touch", "/ran")
        try:
            box.runtime.start(box.id)
        except SampanError:
            pass  # runc does not hear of it
        assert box.wait() != 0
        assert not (box.rootfs / "ran").exists()

    def test_one_that_takes_too_long(self, box: Box) -> None:
        box.spec.hooks = oci.Hooks(create_runtime=[shell("exec sleep 1000", timeout=1)])
        with pytest.raises(SampanError, match="hook"):
            box.create("true")

    def test_one_that_is_not_there(self, box: Box) -> None:
        box.spec.hooks = oci.Hooks(create_runtime=[oci.Hook(path="/no/such/hook")])
        with pytest.raises(SampanError, match=r"(?i)no such file"):
            box.create("true")
