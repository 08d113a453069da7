"""config-linux.md: namespaces, devices, control groups, kernel parameters, seccomp, and what hides and fixes paths.

What runc 1.1 does not know yet is tested of the native runtime alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import InvalidInput, SampanError, Unsupported
from sampan.kernel import namespaces
from sampan.model import runtime_spec as oci

FILES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "mount": "mnt"}


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup"])
def test_a_namespace_that_is_not_asked_for_is_the_callers(box: Any, kind: str) -> None:
    box.spec.linux.namespaces = [item for item in box.spec.linux.namespaces if item.type != kind]
    box.spec.hostname = ""
    # These are of file systems that belong to a namespace of the container's own.
    box.spec.mounts = [item for item in box.spec.mounts if item.type not in ("sysfs", "mqueue")]
    box.spec.linux.masked_paths, box.spec.linux.readonly_paths = [], []
    box.begin("sleep", "1000")
    for name, file in FILES.items():
        same = os.readlink(f"/proc/{box.pid}/ns/{file}") == os.readlink(f"/proc/self/ns/{file}")
        assert same == (name == kind), name


def test_a_namespace_twice(box: Any) -> None:
    box.spec.linux.namespaces.append(oci.Namespace(type="uts"))
    with pytest.raises(SampanError):
        box.create("true")


def test_a_namespace_that_there_is_not(native_box: Any) -> None:
    native_box.spec.linux.namespaces.append(oci.Namespace(type="bogus"))
    with pytest.raises(InvalidInput, match="bogus"):
        native_box.create("true")


@pytest.mark.parametrize("kind", ["cgroup", "time", "pid", "network", "ipc", "uts"])
def test_a_namespace_is_joined_by_path(native_box: Any, boxes_native: Callable[[], Any], kind: str) -> None:
    other = boxes_native()
    native_box.spec.linux.namespaces.append(oci.Namespace(type="time"))
    native_box.begin("sleep", "1000")
    path = namespaces.path(kind, native_box.pid)
    kept = [item for item in other.spec.linux.namespaces if item.type != kind]
    other.spec.linux.namespaces = [*kept, oci.Namespace(type=kind, path=path)]
    other.spec.hostname = "" if kind == "uts" else "other"
    other.begin("sleep", "1000")
    assert os.readlink(namespaces.path(kind, other.pid)) == os.readlink(path)


def test_a_path_of_another_kind_of_namespace(box: Any) -> None:
    for item in box.spec.linux.namespaces:
        if item.type == "ipc":
            item.path = "/proc/self/ns/uts"
    with pytest.raises(SampanError):
        box.create("true")


def test_clocks_of_a_time_namespace(native_box: Any) -> None:
    native_box.spec.linux.namespaces.append(oci.Namespace(type="time"))
    native_box.spec.linux.time_offsets = {
        "boottime": oci.TimeOffset(secs=1_000_000), "monotonic": oci.TimeOffset(secs=5)}
    native_box.begin("sleep", "1000")
    assert os.readlink(f"/proc/{native_box.pid}/ns/time") != os.readlink("/proc/self/ns/time")
    _, inside = native_box.exec("cat", "/proc/uptime", "/proc/self/timens_offsets")
    assert float(inside.split()[0]) > 1_000_000
    assert inside.split()[2:] == ["monotonic", "5", "0", "boottime", "1000000", "0"]


def test_clocks_of_a_time_namespace_in_a_user_namespace(native_box: Any) -> None:
    _map_users(native_box)
    native_box.spec.linux.namespaces.append(oci.Namespace(type="time"))
    native_box.spec.linux.time_offsets = {"boottime": oci.TimeOffset(secs=1_000_000)}
    assert float(native_box.shell("cat /proc/uptime").split()[0]) > 1_000_000


@pytest.mark.parametrize(("offsets", "own"), [({"boottime": 1}, False), ({"bogus": 1}, True)])
def test_clocks_that_cannot_be(native_box: Any, offsets: dict[str, int], own: bool) -> None:
    if own:
        native_box.spec.linux.namespaces.append(oci.Namespace(type="time"))
    native_box.spec.linux.time_offsets = {name: oci.TimeOffset(secs=by) for name, by in offsets.items()}
    with pytest.raises(InvalidInput, match="timeOffsets"):
        native_box.create("true")


def test_several_ranges_of_ids(native_box: Any) -> None:
    _map_users(native_box)
    ranges = [oci.IDMapping(container_id=0, host_id=100000, size=1000),
              oci.IDMapping(container_id=5000, host_id=200000, size=10)]
    native_box.spec.linux.uid_mappings = ranges
    native_box.spec.linux.gid_mappings = ranges
    output = native_box.shell("cat /proc/self/uid_map /proc/self/gid_map")
    assert output.split() == ["0", "100000", "1000", "5000", "200000", "10"] * 2


def test_mappings_without_a_user_namespace(native_box: Any) -> None:
    box = native_box
    box.spec.linux.uid_mappings = [oci.IDMapping(container_id=0, host_id=100000, size=1000)]
    with pytest.raises(SampanError):
        box.create("true")


def test_host_and_domain_names(box: Any) -> None:
    box.spec.hostname = "some-host"
    box.spec.linux.sysctl = {"kernel.domainname": "some.domain"}
    assert box.shell("hostname; cat /proc/sys/kernel/domainname") == "some-host\nsome.domain\n"


def test_a_domain_name_of_its_own_member(native_box: Any) -> None:
    native_box.spec.domainname = "some.domain"
    assert native_box.shell("cat /proc/sys/kernel/domainname") == "some.domain\n"


def test_default_devices_and_links(box: Any) -> None:
    expected = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
    output = box.shell("cd /dev; stat -c '%n %t:%T %a' null zero full random urandom tty; "
                       "for link in fd stdin stdout stderr ptmx; do readlink $link; done")
    lines = output.splitlines()
    assert lines[:6] == [f"{name} {number} 666" for name, number in expected.items()]
    assert lines[6:] == ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"]


def test_devices_of_every_type(box: Any) -> None:
    box.spec.linux.devices = [
        oci.Device(type="c", path="/dev/deep/char", major=1, minor=3, file_mode=0o640, uid=7, gid=8),
        oci.Device(type="b", path="/dev/block", major=7, minor=200, file_mode=0o600),
        oci.Device(type="p", path="/dev/pipe", file_mode=0o622),
    ]
    output = box.shell("stat -c '%F %t:%T %a %u:%g' /dev/deep/char /dev/block /dev/pipe")
    assert output.splitlines() == ["character special file 1:3 640 7:8", "block special file 7:c8 600 0:0",
                                   "fifo 0:0 622 0:0"]


def test_a_device_of_no_type(box: Any) -> None:
    box.spec.linux.devices = [oci.Device(type="x", path="/dev/x", major=1, minor=3)]
    with pytest.raises(SampanError):
        box.create("true")


def test_device_rules_are_applied_in_order(box: Any) -> None:
    numbers = os.stat("/dev/net/tun").st_rdev
    device = {"type": "c", "major": os.major(numbers), "minor": os.minor(numbers)}
    box.spec.linux.devices = [oci.Device(path="/dev/tun", file_mode=0o666, **device)]
    box.spec.linux.resources.devices = [
        oci.DeviceRule(allow=False, access="rwm"), oci.DeviceRule(allow=True, access="rwm", **device),
        oci.DeviceRule(allow=False, access="w", **device)]
    assert box.shell("exec 3< /dev/tun; ! (exec 4> /dev/tun) 2>/dev/null; echo x > /dev/null") == ""


def test_the_control_group_is_the_one_named(box: Any) -> None:
    box.spec.linux.namespaces = [item for item in box.spec.linux.namespaces if item.type != "cgroup"]
    lines = [line.split(":") for line in box.shell("cat /proc/1/cgroup").splitlines()]
    paths = {path for _, controllers, path in lines if controllers and not controllers.startswith("name=")}
    assert paths == {f"/sampan-test-{box.id}"}


def test_a_container_without_limits_has_a_group_too(box: Any) -> None:
    box.spec.linux.resources = None
    box.begin("sleep", "1000")
    assert box.runtime.pids(box.id) == [box.pid]


LIMITS = {
    "memory/memory.limit_in_bytes": 32 << 20, "memory/memory.soft_limit_in_bytes": 16 << 20,
    "memory/memory.memsw.limit_in_bytes": 64 << 20, "memory/memory.swappiness": 13, "cpu/cpu.shares": 700,
    "cpu/cpu.cfs_quota_us": 30000, "cpu/cpu.cfs_period_us": 50000, "cpuset/cpuset.cpus": 1, "cpuset/cpuset.mems": 0,
    "pids/pids.max": 31,
}


def test_limits(box: Any) -> None:
    box.spec.linux.resources = oci.Resources(
        memory=oci.Memory(limit=32 << 20, reservation=16 << 20, swap=64 << 20, swappiness=13), pids=oci.Pids(limit=31),
        cpu=oci.CPU(shares=700, quota=30000, period=50000, cpus="1", mems="0"))
    box.create("true")
    for file, expected in LIMITS.items():
        controller, name = file.split("/")
        assert Path(f"/sys/fs/cgroup/{controller}/sampan-test-{box.id}/{name}").read_text().strip() == str(expected)


def test_the_oom_killer_can_be_turned_off(box: Any) -> None:
    box.spec.linux.resources = oci.Resources(memory=oci.Memory(limit=32 << 20, disable_oom_killer=True))
    box.create("true")
    path = Path(f"/sys/fs/cgroup/memory/sampan-test-{box.id}/memory.oom_control")
    assert "oom_kill_disable 1" in path.read_text()


def test_a_burst_of_processor_time(native_box: Any) -> None:
    native_box.spec.linux.resources = oci.Resources(cpu=oci.CPU(quota=30000, burst=10000))
    native_box.create("true")
    path = Path(f"/sys/fs/cgroup/cpu/sampan-test-{native_box.id}/cpu.cfs_burst_us")
    assert path.read_text() == "10000\n"


def test_throttled_devices(box: Any) -> None:
    number = os.stat("/").st_dev
    major, minor = os.major(number), os.minor(number)
    kinds = {"read_bps": 4096, "write_bps": 8192, "read_iops": 10, "write_iops": 20}
    box.spec.linux.resources = oci.Resources(block_io=oci.BlockIO(**{
        f"throttle_{kind}_device": [oci.ThrottleDevice(major=major, minor=minor, rate=rate)]
        for kind, rate in kinds.items()}))
    box.create("true")
    for kind, rate in kinds.items():
        path = Path(f"/sys/fs/cgroup/blkio/sampan-test-{box.id}/blkio.throttle.{kind}_device")
        assert path.read_text() == f"{major}:{minor} {rate}\n"


@pytest.mark.parametrize(("resources", "what"), [
    (oci.Resources(hugepage_limits=[oci.HugepageLimit(page_size="2MB", limit=0)]), "huge pages"),
    (oci.Resources(network=oci.Network(class_id=5)), "network traffic"),
    (oci.Resources(network=oci.Network(priorities=[oci.InterfacePriority(name="lo", priority=1)])), "network traffic"),
    (oci.Resources(rdma={"mlx": oci.RDMA(hca_handles=1)}), "RDMA"),
    (oci.Resources(unified={"memory.high": "1"}), "unified"),
])
def test_limits_of_controllers_that_are_not_here_are_refused(
    native_box: Any, resources: oci.Resources, what: str
) -> None:
    present = {line.split()[0] for line in Path("/proc/cgroups").read_text().splitlines() if line.split()[1] != "0"}
    if {"huge pages": "hugetlb", "network traffic": "net_cls", "RDMA": "rdma"}.get(what) not in present:
        native_box.spec.linux.resources = resources
        with pytest.raises(Unsupported, match=what):
            native_box.create("true")


def test_values_that_the_kernel_refuses(box: Any) -> None:
    box.spec.linux.resources = oci.Resources(cpu=oci.CPU(cpus="1000"))
    with pytest.raises(SampanError):
        box.create("true")


def test_kernel_parameters_with_a_dot_in_a_name(box: Any) -> None:
    box.spec.linux.sysctl = {"net/ipv4/conf/lo/forwarding": "1"}
    assert box.shell("cat /proc/sys/net/ipv4/conf/lo/forwarding") == "1\n"


def filtered(*rules: oci.Syscall, default: str = "SCMP_ACT_ALLOW", **more: Any) -> oci.Seccomp:
    return oci.Seccomp(default_action=default, architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                       syscalls=list(rules), **more)


def rule(names: Sequence[str], action: str, *args: oci.SyscallArg, errno: int | None = None) -> oci.Syscall:
    return oci.Syscall(names=list(names), action=action, args=list(args), errno_ret=errno)


@pytest.mark.parametrize(("action", "code"), [
    ("SCMP_ACT_KILL", -31), ("SCMP_ACT_KILL_PROCESS", -31), ("SCMP_ACT_KILL_THREAD", -31), ("SCMP_ACT_TRAP", -31),
    ("SCMP_ACT_ERRNO", 1), ("SCMP_ACT_TRACE", 1), ("SCMP_ACT_LOG", 0), ("SCMP_ACT_ALLOW", 0),
])
def test_actions_of_a_filter(box: Any, action: str, code: int) -> None:
    box.spec.linux.seccomp = filtered(rule(["mkdir", "mkdirat"], action))
    got, _ = box.run("mkdir", "/tmp/made")
    assert got == code
    assert (box.rootfs / "tmp/made").exists() == (code == 0)


def test_the_number_of_the_error(box: Any) -> None:
    box.spec.linux.seccomp = filtered(rule(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", errno=28))
    assert "No space left on device" in box.run("mkdir", "/tmp/made")[1]


# Of chmod's second argument: a value that meets the condition, and one that does not.
@pytest.mark.parametrize(("op", "value", "two", "met", "unmet"), [
    ("SCMP_CMP_EQ", 0o640, 0, "640", "641"), ("SCMP_CMP_NE", 0o640, 0, "641", "640"),
    ("SCMP_CMP_LT", 0o640, 0, "637", "640"), ("SCMP_CMP_LE", 0o640, 0, "640", "641"),
    ("SCMP_CMP_GT", 0o640, 0, "641", "640"), ("SCMP_CMP_GE", 0o640, 0, "640", "637"),
    ("SCMP_CMP_MASKED_EQ", 0o700, 0o600, "640", "740"),
])
def test_operators_of_a_filter(box: Any, op: str, value: int, two: int, met: str, unmet: str) -> None:
    os.link(box.rootfs / "bin/busybox", box.rootfs / "bin/chmod")
    condition = oci.SyscallArg(index=1, value=value, value_two=two, op=op)
    box.spec.linux.seccomp = filtered(rule(["chmod"], "SCMP_ACT_ERRNO", condition))
    box.shell(f"chmod {unmet} /etc/passwd; ! chmod {met} /etc/passwd 2>/dev/null")


@pytest.mark.parametrize("flag", ["LOG", "SPEC_ALLOW", "TSYNC"])
def test_flags_of_a_filter(native_box: Any, flag: str) -> None:
    flags = [f"SECCOMP_FILTER_FLAG_{flag}"]
    native_box.spec.linux.seccomp = filtered(rule(["mkdir"], "SCMP_ACT_ERRNO"), flags=flags)
    assert native_box.run("mkdir", "/tmp/made")[0] == 1


@pytest.mark.parametrize("profile", [
    filtered(default="SCMP_ACT_BOGUS"), filtered(flags=["BOGUS"]), filtered(rule(["mkdir"], "SCMP_ACT_BOGUS")),
    filtered(rule(["mkdir"], "SCMP_ACT_ERRNO", oci.SyscallArg(index=0, value=1, op="BOGUS"))),
])
def test_malformed_filters(box: Any, profile: oci.Seccomp) -> None:
    box.spec.linux.seccomp = profile
    with pytest.raises(SampanError):
        box.create("true")


@pytest.mark.parametrize("profile", [
    filtered(listener_path="/run/x", listener_metadata="m"), filtered(rule(["mkdir"], "SCMP_ACT_NOTIFY"))])
def test_listeners_are_refused_not_ignored(native_box: Any, profile: oci.Seccomp) -> None:
    native_box.spec.linux.seccomp = profile
    with pytest.raises(Unsupported, match="listener"):
        native_box.create("true")


def test_masked_paths_hide_files_and_directories(box: Any) -> None:
    (box.rootfs / "dir").mkdir()
    (box.rootfs / "dir/file").touch()
    (box.rootfs / "file").write_text("secret")
    box.spec.linux.masked_paths = ["/dir", "/file", "/not/there"]
    assert box.shell("ls /dir; cat /file; ! touch /dir/x 2>/dev/null") == ""


def test_read_only_paths_are_so_below_too(box: Any, tmp_path: Path) -> None:
    (box.rootfs / "dir").mkdir()
    (box.rootfs / "dir/file").write_text("old\n")
    box.spec.linux.readonly_paths = ["/dir", "/etc/passwd", "/not/there"]
    assert box.shell("! touch /dir/x 2>/dev/null; ! (echo x > /etc/passwd) 2>/dev/null; cat /dir/file") == "old\n"


@pytest.mark.parametrize(("domain", "machine"), [("LINUX", "x86_64"), ("LINUX32", "i686")])
def test_the_personality(native_box: Any, domain: str, machine: str) -> None:
    os.link(native_box.rootfs / "bin/busybox", native_box.rootfs / "bin/uname")
    native_box.spec.linux.personality = oci.Personality(domain=domain)
    native_box.begin("sleep", "1000")
    code, output = native_box.exec("uname", "-m")
    assert (code, output.strip()) == (0, machine)
    persona = Path(f"/proc/{native_box.pid}/personality").read_text().strip()
    assert int(persona, 16) == {"LINUX": 0, "LINUX32": 8}[domain]


@pytest.mark.parametrize(("personality", "kind"), [
    (oci.Personality(domain="BSD"), InvalidInput), (oci.Personality(domain="LINUX", flags=["X"]), Unsupported)])
def test_personalities_that_are_none(native_box: Any, personality: oci.Personality, kind: type[Exception]) -> None:
    native_box.spec.linux.personality = personality
    with pytest.raises(kind):
        native_box.create("true")


def test_what_is_not_done_is_refused(native_box: Any) -> None:
    native_box.spec.linux.intel_rdt = oci.IntelRDT(clos_id="x")
    with pytest.raises(Unsupported, match="RDT"):
        native_box.create("true")
    native_box.spec.linux.intel_rdt = None
    native_box.spec.linux.mount_label = "system_u:object_r:container_file_t:s0"
    with pytest.raises(Unsupported, match=r"mountLabel|SELinux"):
        native_box.create("true")


@pytest.mark.parametrize("version", ["2.0.0", "0.1.0", ""])
def test_other_versions_of_the_specification(native_box: Any, version: str) -> None:
    native_box.spec.oci_version = version
    with pytest.raises(Unsupported, match="version"):
        native_box.create("true")


def _map_users(box: Any) -> None:
    for path in (box.bundle, *box.bundle.parents):
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    box.spec.linux.namespaces.append(oci.Namespace(type="user"))
    mapping = [oci.IDMapping(container_id=0, host_id=100000, size=65536)]
    box.spec.linux.uid_mappings = box.spec.linux.gid_mappings = mapping
