"""config-linux.md: what only the native runtime does, or only machines with version 1 of control groups show."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import InvalidInput, SampanError, Unsupported
from sampan.kernel import namespaces
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.linux import filtered, rule


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


def test_a_domain_name_of_its_own_member(native_box: Any) -> None:
    native_box.spec.domainname = "some.domain"
    assert native_box.shell("cat /proc/sys/kernel/domainname") == "some.domain\n"


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


def test_a_limit_changes_while_it_runs(box: Any) -> None:
    box.begin("sleep", "1000")
    box.runtime.update(box.id, oci.Resources(cpu=oci.CPU(shares=300)))
    assert Path(f"/sys/fs/cgroup/cpu/sampan-test-{box.id}/cpu.shares").read_text() == "300\n"


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


@pytest.mark.parametrize("flag", ["LOG", "SPEC_ALLOW", "TSYNC"])
def test_flags_of_a_filter(native_box: Any, flag: str) -> None:
    flags = [f"SECCOMP_FILTER_FLAG_{flag}"]
    native_box.spec.linux.seccomp = filtered(rule(["mkdir"], "SCMP_ACT_ERRNO"), flags=flags)
    assert native_box.run("mkdir", "/tmp/made")[0] == 1


@pytest.mark.parametrize("profile", [
    filtered(listener_path="/run/x", listener_metadata="m"), filtered(rule(["mkdir"], "SCMP_ACT_NOTIFY"))])
def test_listeners_are_refused_not_ignored(native_box: Any, profile: oci.Seccomp) -> None:
    native_box.spec.linux.seccomp = profile
    with pytest.raises(Unsupported, match="listener"):
        native_box.create("true")


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
