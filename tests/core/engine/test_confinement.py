from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sampan.engine import confinement, syscall_filter
from sampan.errors import InvalidInput, NotFound
from sampan.kernel import capabilities
from sampan.model.runtime_spec import Seccomp

DEFAULT = list(confinement.DEFAULT_CAPABILITIES)


def _allowed(profile: Seccomp, name: str) -> bool:
    return any(name in rule.names and rule.action == "SCMP_ACT_ALLOW" and not rule.args for rule in profile.syscalls)


def test_dockers_default_capabilities() -> None:
    assert capabilities.mask(DEFAULT) == 0xA80425FB


@pytest.mark.parametrize(("add", "drop", "expected"), [
    ((), (), DEFAULT),
    (("net_admin",), (), [*DEFAULT, "CAP_NET_ADMIN"]),
    (("CAP_CHOWN", "chown"), (), DEFAULT),
    ((), ("cap_chown",), DEFAULT[1:]),
    ((), ("ALL",), []),
    (("KILL", "CAP_CHOWN"), ("all",), ["CAP_KILL", "CAP_CHOWN"]),
])
def test_adding_and_dropping(add: tuple[str, ...], drop: tuple[str, ...], expected: list[str]) -> None:
    assert confinement.capability_set(add, drop, False) == expected


def test_all_is_what_this_process_has() -> None:
    available = capabilities.names(capabilities.bounding())
    assert confinement.capability_set(("ALL",), (), False) == available
    assert confinement.capability_set((), (), True) == available
    assert confinement.capability_set(("ALL",), ("SYS_ADMIN",), False) == [
        name for name in available if name != "CAP_SYS_ADMIN"]


@pytest.mark.parametrize(("add", "drop", "message"), [
    (("FOO",), (), 'invalid CapAdd: unknown capability: "CAP_FOO"'),
    ((), ("cap_foo",), 'invalid CapDrop: unknown capability: "CAP_FOO"'),
])
def test_unknown_capabilities(add: tuple[str, ...], drop: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        confinement.capability_set(add, drop, False)
    assert caught.value.message == message


def test_users_other_than_root_have_capabilities_in_their_bounds_only() -> None:
    sets = confinement.sets(["CAP_KILL"], 1000)
    assert (sets.bounding, sets.effective, sets.permitted) == (["CAP_KILL"], [], [])
    assert confinement.sets(["CAP_KILL"], 0).effective == ["CAP_KILL"]


def test_the_default_profile_follows_the_capabilities() -> None:
    profile = confinement.default_seccomp(DEFAULT)
    assert (profile.default_action, profile.default_errno_ret) == ("SCMP_ACT_ERRNO", 1)
    assert profile.architectures[1:]
    for name in ("openat", "execve", "ptrace", "futex", "chroot"):
        assert _allowed(profile, name)
    for name in ("mount", "bpf", "keyctl", "add_key", "request_key", "reboot", "init_module", "kexec_load", "swapon",
                 "unshare", "setns", "userfaultfd", "io_uring_setup", "open_by_handle_at", "clone", "clone3",
                 "perf_event_open", "acct", "settimeofday", "iopl", "nfsservctl", "uselib", "vm86"):
        assert not _allowed(profile, name), name
    (clone3,) = (rule for rule in profile.syscalls if "clone3" in rule.names)
    assert clone3.errno_ret == 38
    powerful = confinement.default_seccomp([*DEFAULT, "CAP_SYS_ADMIN"])
    for name in ("mount", "clone", "clone3", "unshare", "setns"):
        assert _allowed(powerful, name)
    assert not _allowed(powerful, "reboot")
    assert not _allowed(confinement.default_seccomp([]), "chroot")


def test_no_call_is_named_twice_by_accident() -> None:
    path = Path(confinement.__file__).with_name("seccomp.json")
    rules = json.loads(path.read_text())["syscalls"]
    names = [name for rule in rules if not rule.keys() & {"args", "includes", "excludes"} for name in rule["names"]]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(("options", "expected"), [
    ((), confinement.Security()),
    (("no-new-privileges",), confinement.Security(no_new_privileges=True)),
    (("no-new-privileges:true",), confinement.Security(no_new_privileges=True)),
    (("no-new-privileges=false",), confinement.Security()),
    (("systempaths=unconfined",), confinement.Security(system_paths_unconfined=True)),
    (("seccomp=unconfined", "label=disable"), confinement.Security(seccomp="unconfined")),
    (("apparmor=unconfined",), confinement.Security(apparmor="unconfined")),
])
def test_security_options(options: tuple[str, ...], expected: confinement.Security) -> None:
    assert confinement.parse_security(options) == expected


@pytest.mark.parametrize("option", ["foo=bar", "seccomp=", "no-new-privileges=maybe", "systempaths=x", "label=type:x"])
def test_bad_security_options(option: str) -> None:
    with pytest.raises(InvalidInput):
        confinement.parse_security([option])


def test_seccomp_choices(tmp_path: Path) -> None:
    assert confinement.Security(seccomp="unconfined").filter(DEFAULT) is None
    assert confinement.Security().filter(DEFAULT) == confinement.default_seccomp(DEFAULT)
    assert confinement.Security(seccomp="builtin").filter(DEFAULT) == confinement.default_seccomp(DEFAULT)
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
            {"name": "mkdir", "action": "SCMP_ACT_ERRNO", "args": None},
            {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "99.0"}},
            {"names": ["chown"], "action": "SCMP_ACT_ERRNO", "excludes": {"minKernel": "4.8"}},
        ]}))
    loaded = confinement.Security(seccomp=str(path)).filter(DEFAULT)
    assert loaded is not None
    assert [rule.names for rule in loaded.syscalls] == [["mkdir"]]
    assert confinement.Security(seccomp=path.read_text()).filter(DEFAULT) == loaded


def test_bad_profiles(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file or directory"):
        syscall_filter.load("/no/such/profile", ())
    (tmp_path / "bad").write_text("[")
    with pytest.raises(InvalidInput, match="is not valid"):
        syscall_filter.load(str(tmp_path / "bad"), ())


@pytest.mark.parametrize(("request_", "parts"), [
    ("/dev/null", ("/dev/null", "/dev/null", "rwm")),
    ("/dev/null:r", ("/dev/null", "/dev/null", "r")),
    ("/dev/null:/dev/x", ("/dev/null", "/dev/x", "rwm")),
    ("/dev/null:/dev/x:rw", ("/dev/null", "/dev/x", "rw")),
])
def test_device_requests(request_: str, parts: tuple[str, str, str]) -> None:
    assert confinement.parse_device(request_) == parts


@pytest.mark.parametrize("request_", ["", "/dev/null:/dev/x:z", "/a:/b:r:x", "/dev/null:x/y"])
def test_bad_device_requests(request_: str) -> None:
    with pytest.raises(InvalidInput):
        confinement.parse_device(request_)


def test_devices_are_looked_up() -> None:
    (device,) = confinement.devices(["/dev/full:/dev/brimful:r"], False)
    assert (device.type, device.path, device.major, device.minor) == ("c", "/dev/brimful", 1, 7)
    assert confinement.device_rules(["/dev/full:r"], False)[-1].access == "r"
    assert confinement.devices([], False) == []
    with pytest.raises(NotFound):
        confinement.devices(["/dev/no-such-device"], False)
    with pytest.raises(InvalidInput):
        confinement.devices(["/etc/passwd"], False)


def test_privileged_sees_every_device() -> None:
    names = {device.path for device in confinement.devices([], True)}
    assert "/dev/null" in names
    assert not any(name.startswith("/dev/pts/") for name in names)
    (rule,) = confinement.device_rules([], True)
    assert rule.allow


def test_mounts() -> None:
    mounts = {mount.destination: mount for mount in confinement.mounts(privileged=False, shm_size=0)}
    assert list(mounts) == ["/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm"]
    assert "ro" in mounts["/sys"].options
    assert "size=67108864" in mounts["/dev/shm"].options
    privileged = {mount.destination: mount for mount in confinement.mounts(privileged=True, shm_size=1024)}
    assert "ro" not in privileged["/sys"].options
    assert "size=1024" in privileged["/dev/shm"].options


def test_thermal_events_are_hidden_where_processors_tell_them() -> None:
    told = [path for path in confinement.masked_paths() if "thermal_throttle" in path]
    assert len(told) in (0, os.cpu_count())
    assert bool(told) == os.path.isdir("/sys/devices/system/cpu/cpu0/thermal_throttle")
    assert confinement.masked_paths()[:len(confinement.MASKED_PATHS)] == list(confinement.MASKED_PATHS)


def test_device_rules() -> None:
    (rule,) = confinement.parse_device_rule("c 10:* rw")
    assert (rule.allow, rule.type, rule.major, rule.minor, rule.access) == (True, "c", 10, None, "rw")
    assert [rule.type for rule in confinement.parse_device_rule("a *:* m")] == ["b", "c"]
    assert confinement.device_rules((), False, ["b 7:1 r"])[-1].major == 7
    assert len(confinement.device_rules((), True, ["b 7:1 r"])) == 1


@pytest.mark.parametrize("text", ["", "x 1:1 r", "c 1 r", "c 1:1", "c 1:1 x", "c 1:1 rwmr", "c -1:1 r", "c 1:1 r\n"])
def test_device_rules_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid device cgroup format"):
        confinement.parse_device_rule(text)
