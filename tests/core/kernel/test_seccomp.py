from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import InvalidInput
from sampan.kernel import processes, seccomp
from sampan.model.runtime_spec import Seccomp, Syscall, SyscallArg

Runner = Callable[[Callable[[], Any]], Any]


def _load(profile: Seccomp, cache: Path) -> None:
    processes.forbid_new_privileges()
    seccomp.program(profile, str(cache)).load()


def test_calls_are_refused_with_the_errno_asked_for(forked: Runner, tmp_path: Path) -> None:
    profile = Seccomp(default_action="SCMP_ACT_ALLOW", syscalls=[
        Syscall(names=["mkdir", "mkdirat", "no_such_call"], action="SCMP_ACT_ERRNO", errno_ret=errno.EXDEV)])

    def body() -> int:
        _load(profile, tmp_path / "cache")
        try:
            os.mkdir(tmp_path / "x")
        except OSError as error:
            return error.errno or 0
        return 0

    assert forked(body) == errno.EXDEV


def test_arguments_decide(forked: Runner, tmp_path: Path) -> None:
    profile = Seccomp(default_action="SCMP_ACT_ALLOW", syscalls=[
        Syscall(names=["getpriority"], action="SCMP_ACT_ERRNO",
                args=[SyscallArg(index=0, value=1, op="SCMP_CMP_EQ"), SyscallArg(index=1, value=5, op="SCMP_CMP_EQ")])])

    def body() -> list[int]:
        _load(profile, tmp_path)
        results = []
        for which, who in ((0, 0), (1, 0), (1, 5)):
            try:
                os.getpriority(which, who)
                results.append(0)
            except OSError as error:
                results.append(error.errno or 0)
        return results

    assert forked(body)[0::2] == [0, errno.EPERM]


def test_the_program_is_kept_by_digest(tmp_path: Path) -> None:
    profile = Seccomp(default_action="SCMP_ACT_ALLOW")
    first = seccomp.program(profile, str(tmp_path / "cache"))
    names = os.listdir(tmp_path / "cache")
    assert len(names) == 1
    assert seccomp.program(profile, str(tmp_path / "cache")) == first
    profile.syscalls.append(Syscall(names=["swapon"], action="SCMP_ACT_KILL_PROCESS"))
    assert seccomp.program(profile, str(tmp_path / "cache")) != first
    assert len(os.listdir(tmp_path / "cache")) == 2


@pytest.mark.parametrize("profile", [
    Seccomp(default_action="SCMP_ACT_WHAT"),
    Seccomp(default_action="SCMP_ACT_ALLOW", architectures=["SCMP_ARCH_VAX"]),
    Seccomp(default_action="SCMP_ACT_ALLOW", flags=["WHAT"]),
    Seccomp(default_action="SCMP_ACT_ALLOW", syscalls=[Syscall(
        names=["read"], action="SCMP_ACT_ERRNO", args=[SyscallArg(index=0, value=1, op="WHAT")])]),
])
def test_malformed_profiles(profile: Seccomp, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        seccomp.program(profile, str(tmp_path))


def test_calls_newer_than_the_profile_are_unknown_rather_than_forbidden(forked: Runner, tmp_path: Path) -> None:
    import ctypes

    from sampan.engine import confinement

    profile = confinement.default_seccomp(list(confinement.DEFAULT_CAPABILITIES))

    def body() -> list[int]:
        _load(profile, tmp_path)
        library = ctypes.CDLL(None, use_errno=True)
        found = []
        for number in (5000, 0x40000000 + 5000, 165):
            library.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0)
            found.append(ctypes.get_errno())
        return found

    assert forked(body) == [errno.ENOSYS, errno.ENOSYS, errno.EPERM]
