"""Check what a container may not do, see or keep."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.engine import confinement
from sampan.errors import InvalidInput, SampanError, Unsupported
from sampan.kernel import capabilities
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import Box


def _status(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


class ConfinementTests:
    """What holds a container in."""

    def test_no_descriptor_of_the_caller_is_inherited(self, box: Box, tmp_path: Path) -> None:
        with open(tmp_path / "secret", "w") as secret:
            os.set_inheritable(secret.fileno(), True)
            output = box.shell("ls /proc/1/fd; true")
        assert output.split() == ["0", "1", "2"]

    def test_exec_inherits_no_descriptor(self, box: Box) -> None:
        box.begin("sleep", "1000")
        _, output = box.exec("sh", "-c", "ls /proc/self/fd")
        assert output.split() == ["0", "1", "2", "3"]  # 3: ls reads the directory

    def test_environment_is_the_specs_alone(self, box: Box) -> None:
        os.environ["SAMPAN_TEST_SECRET"] = "x"
        output = box.shell("env")
        assert "SECRET" not in output
        assert {line.partition("=")[0] for line in output.split()} <= {"PATH", "HOME", "SHLVL", "PWD", "OLDPWD", "_"}

    def test_process_one_sees_only_itself(self, box: Box) -> None:
        output = box.shell("echo $$; ls -d /proc/[0-9]*")
        assert output.split()[0] == "1"
        assert "/proc/1" in output.split()
        assert len(output.split()) <= 3

    def test_capabilities_are_those_asked_for(self, box: Box) -> None:
        names = ["CAP_CHOWN", "CAP_NET_RAW"]
        box.spec.process.capabilities = confinement.sets(names, 0)
        status = _status(box.shell("cat /proc/self/status"))
        mask = capabilities.mask(names)
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {mask}
        assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0

    def test_another_user_has_no_effective_capabilities(self, box: Box) -> None:
        box.spec.process.user = oci.User(uid=1000, gid=1000)
        box.spec.process.capabilities = confinement.sets(confinement.DEFAULT_CAPABILITIES, 1000)
        status = _status(box.shell("cat /proc/self/status"))
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert int(status["CapBnd"], 16) == capabilities.mask(confinement.DEFAULT_CAPABILITIES)
        assert status["Uid"].split() == ["1000"] * 4
        assert status["Groups"].split() == []

    def test_ambient_capabilities_reach_another_user(self, box: Box) -> None:
        names = ["CAP_NET_BIND_SERVICE"]
        box.spec.process.user = oci.User(uid=1000, gid=1000)
        box.spec.process.capabilities = oci.Capabilities(
            bounding=names, effective=names, permitted=names, inheritable=names, ambient=names)
        status = _status(box.shell("cat /proc/self/status"))
        assert int(status["CapEff"], 16) == int(status["CapAmb"], 16) == capabilities.mask(names)

    def test_exec_has_the_capabilities_it_is_given(self, box: Box) -> None:
        box.begin("sleep", "1000")
        _, output = box.exec("cat", "/proc/self/status", capabilities=confinement.sets(["CAP_KILL"], 0))
        assert int(_status(output)["CapEff"], 16) == capabilities.mask(["CAP_KILL"])

    def test_the_filter_is_active_in_start_and_exec(self, box: Box) -> None:
        box.begin("sleep", "1000")
        with open(f"/proc/{box.pid}/status") as file:
            assert _status(file.read())["Seccomp"] == "2"
        _, output = box.exec("cat", "/proc/self/status")
        assert _status(output)["Seccomp"] == "2"

    def test_masked_paths_are_empty(self, box: Box) -> None:
        box.spec.linux.masked_paths = [*confinement.MASKED_PATHS, "/etc/passwd", "/root"]
        (box.rootfs / "root/secret").write_text("secret")
        assert box.shell("cat /proc/keys /proc/timer_list /etc/passwd; ls /root; ls /sys/firmware") == ""

    def test_readonly_paths_cannot_be_written(self, box: Box) -> None:
        code, _ = box.run("sh", "-c", "echo 1 > /proc/sys/kernel/panic")
        assert code != 0

    def test_a_file_can_be_made_read_only(self, box: Box) -> None:
        box.spec.linux.readonly_paths = ["/proc/sysrq-trigger", "/proc/loadavg", "/no/such/path"]
        output = box.shell("grep ' /proc/loadavg ' /proc/self/mountinfo")
        assert " ro," in output

    def test_readonly_root(self, box: Box) -> None:
        box.spec.root.readonly = True
        code, output = box.run("touch", "/new")
        assert code == 1
        assert "Read-only file system" in output
        assert not (box.rootfs / "new").exists()

    def test_readonly_root_leaves_tmpfs_writable(self, box: Box) -> None:
        box.spec.root.readonly = True
        options = ["nosuid", "mode=1777"]
        box.spec.mounts.append(oci.Mount(destination="/tmp", type="tmpfs", source="tmpfs", options=options))
        assert box.shell("touch /tmp/new /dev/shm/new; stat -c %a /tmp") == "1777\n"

    def test_no_new_privileges_in_start_and_exec(self, box: Box) -> None:
        box.spec.process.no_new_privileges = True
        box.begin("sleep", "1000")
        with open(f"/proc/{box.pid}/status") as file:
            assert _status(file.read())["NoNewPrivs"] == "1"
        _, output = box.exec("cat", "/proc/self/status", no_new_privileges=False)
        assert _status(output)["NoNewPrivs"] == "1"

    @pytest.mark.parametrize("link", ["/", "../../../../../../..", "/proc/self/root"])
    def test_a_mount_target_never_leads_outside(self, box: Box, link: str, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        source = tmp_path / "source"
        source.mkdir()
        (source / "marker").touch()
        (box.rootfs / "way").symlink_to(link)
        box.spec.mounts.append(
            oci.Mount(destination=f"/way{outside}", type="bind", source=str(source), options=["rbind", "rprivate"]))
        try:
            output = box.shell(f"ls {outside}")
        except (SampanError, AssertionError):
            output = "marker\n"
        assert output == "marker\n"
        assert list(outside.iterdir()) == []

    def test_the_working_directory_is_inside(self, box: Box) -> None:
        for descriptor in range(3, 16):
            box.spec.process.cwd = f"/proc/self/fd/{descriptor}"
            with pytest.raises(SampanError):
                box.create("cat", "../../../etc/hostname")
            box.runtime.delete(box.id, force=True)

    def test_exec_with_a_working_directory_outside_is_refused(self, box: Box) -> None:
        box.begin("sleep", "1000")
        for descriptor in range(3, 16):
            with pytest.raises(SampanError):
                box.exec("pwd", cwd=f"/proc/self/fd/{descriptor}")

    def test_execs_that_fail_leave_no_process_to_hold_the_container(self, box: Box) -> None:
        box.begin("sleep", "1000")
        for _ in range(12):
            with pytest.raises(SampanError):
                box.exec("pwd", cwd="/proc/self/fd/9")
        own = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        namespaces = [line for pid in own for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                      if line.startswith("NSpid:") and len(line.split()) > 2]
        assert len(namespaces) == 1  # its first process

    def test_the_working_directory_is_made(self, box: Box) -> None:
        box.spec.process.cwd = "/srv/data"
        assert box.shell("pwd") == "/srv/data\n"

    def test_devices_are_the_default_ones_and_no_others_can_be_used(self, box: Box) -> None:
        names = box.shell("ls /dev; test -c /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c")
        expected = {"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
                    "tty", "urandom", "zero", "4"}
        assert set(names.split()) <= expected

    def test_the_device_cgroup_holds(self, box: Box) -> None:
        code, output = box.run("sh", "-c", "mknod /tmp/kmsg c 1 11; cat /tmp/kmsg")
        assert code == 1
        assert "ermitted" in output

    def test_another_device_can_be_given(self, box: Box) -> None:
        box.spec.linux.devices = confinement.devices(["/dev/null:/dev/void"], False)
        box.spec.linux.resources.devices = confinement.device_rules(["/dev/null:/dev/void"], False)
        assert box.shell("echo x > /dev/void; stat -c %t:%T /dev/void") == "1:3\n"

    def test_sysctls_of_its_own_namespaces_only(self, box: Box) -> None:
        box.spec.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "1234"}
        assert box.shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni").split() == ["1", "1234"]

    def test_sysctls_of_the_host_are_refused(self, box: Box) -> None:
        box.spec.linux.sysctl = {"kernel.panic": "1"}
        with pytest.raises(SampanError):
            box.create("true")

    def test_limits_are_set_and_raising_them_is_refused(self, box: Box) -> None:
        box.spec.process.rlimits = [oci.Rlimit(type="RLIMIT_NOFILE", soft=100, hard=200)]
        assert box.shell("ulimit -Sn; ulimit -Hn").split() == ["100", "200"]
        box.runtime.delete(box.id)
        box.spec.process.rlimits = [oci.Rlimit(type="RLIMIT_NOFILE", soft=100, hard=2**30)]
        with pytest.raises(Unsupported, match=r"(?i)nofile|rlimit"):
            box.create("true")

    def test_cgroups_are_shown_read_only(self, box: Box) -> None:
        code, _ = box.run("mkdir", "/sys/fs/cgroup/below", "/sys/fs/cgroup/pids/below")
        assert code == 1

    def test_bad_bind_source_is_named(self, box: Box) -> None:
        box.spec.mounts.append(oci.Mount(destination="/x", type="bind", source="/no/such/place", options=["rbind"]))
        with pytest.raises(InvalidInput, match="/no/such/place"):
            box.create("true")

    @pytest.mark.parametrize("destination", ["/proc", "/proc/self", "/proc/sys"])
    def test_nothing_is_mounted_over_proc(self, box: Box, destination: str, tmp_path: Path) -> None:
        box.spec.mounts.append(
            oci.Mount(destination=destination, type="bind", source=str(tmp_path), options=["rbind", "rprivate"]))
        with pytest.raises(SampanError):
            box.create("true")

    def test_a_bind_mount_keeps_and_gains_flags(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        options = ["rbind", "ro", "nosuid", "rprivate"]
        box.spec.mounts.append(
            oci.Mount(destination="/data", type="bind", source=str(tmp_path / "data"), options=options))
        output = box.shell("grep ' /data ' /proc/self/mountinfo; ! touch /data/x 2>/dev/null")
        assert "ro,nosuid" in output

    def test_a_file_can_be_bound(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "hosts").write_text("127.0.0.1 me\n")
        box.spec.mounts.append(
            oci.Mount(destination="/etc/hosts", type="bind", source=str(tmp_path / "hosts"), options=["rbind"]))
        assert box.shell("cat /etc/hosts") == "127.0.0.1 me\n"

    def test_the_container_is_gone_from_the_hosts_mounts(self, box: Box) -> None:
        box.begin("sleep", "1000")
        with open("/proc/self/mountinfo") as file:
            assert str(box.bundle) not in file.read()

    def test_streams_belong_to_the_user(self, box: Box) -> None:
        box.spec.process.user = oci.User(uid=1000, gid=1000)
        box.spec.process.capabilities = confinement.sets((), 1000)
        assert box.shell("echo again > /dev/stdout; echo twice > /dev/stderr") == "again\ntwice\n"

    def test_loopback_is_up(self, box: Box) -> None:
        assert "inet 127.0.0.1/8" in box.shell("ip addr show lo")

    def test_signals_have_their_default_actions(self, box: Box) -> None:
        _, output = box.run("cat", "/proc/self/status")
        status = _status(output)
        assert int(status["SigIgn"], 16) == 0
        assert int(status["SigBlk"], 16) == 0

    def test_umask(self, box: Box) -> None:
        assert box.shell("umask") == "0022\n"

    def test_a_limit_of_one_process_leaves_room_for_it(self, box: Box) -> None:
        box.spec.linux.resources.pids = oci.Pids(limit=1)
        code, output = box.run("/bin/sh", "-c", "true & echo alone")
        assert "can't fork" in output and code != 0
