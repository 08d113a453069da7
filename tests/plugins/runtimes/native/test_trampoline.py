"""CVE-2019-5736: what a container starts never is the host's interpreter, nor leads to it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import CommandNotExecutable, CommandNotFound, PluginFault, Unsupported
from sampan_plugins.runtimes.native import report, trampoline

# A dynamic loader that tells which program it was loaded for: what an attacker's image would put in the place of libc.
LOADER = r"""
static long call(long number, long one, long two, long three, long four) {
    long result;
    register long r10 __asm__("r10") = four;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two), "d"(three), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
void _start(void) {
    static char told[4096];
    long size = call(267, -100, (long) "/proc/self/exe", (long) told, sizeof told);
    call(1, 1, (long) "loaded for ", 11, 0);
    call(1, 1, (long) told, size, 0);
    call(231, 0, 0, 0, 0);
}
"""


@pytest.fixture
def hostile_box(native_box: Any, tmp_path: Path) -> Any:
    """A container whose loader and libraries are the attacker's."""
    source, loader = tmp_path / "loader.c", native_box.rootfs / "lib64/ld-linux-x86-64.so.2"
    source.write_text(LOADER)
    loader.parent.mkdir()
    flags = ["-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"]
    subprocess.run(["gcc", *flags, "-o", loader, source], check=True)
    return native_box


def test_the_loader_is_loaded_for_what_is_dynamic(hostile_box: Any) -> None:
    shutil.copy(shutil.which("env") or "", hostile_box.rootfs / "bin/dynamic")
    assert hostile_box.run("/bin/dynamic") == (0, "loaded for /bin/dynamic")


def link(path: Path) -> None:
    path.symlink_to("/proc/self/exe")


def script(path: Path) -> None:
    path.write_text("#!/proc/self/exe\n")
    path.chmod(0o755)


def script_of_a_link(path: Path) -> None:
    (path.parent / "interpreter").symlink_to("/proc/self/exe")
    path.write_text("#!/bin/interpreter -c\n")
    path.chmod(0o755)


def script_of_a_thread(path: Path) -> None:
    path.write_text("#!/proc/thread-self/exe\n")
    path.chmod(0o755)


ENTRIES = [link, script, script_of_a_link, script_of_a_thread]


@pytest.mark.parametrize("make", ENTRIES)
def test_a_command_does_not_lead_to_the_interpreter(hostile_box: Any, make: Callable[[Path], None]) -> None:
    make(hostile_box.rootfs / "bin/entry")
    assert hostile_box.run("/bin/entry") == (1, "")


@pytest.mark.parametrize("make", ENTRIES)
def test_nor_does_that_of_an_exec(hostile_box: Any, make: Callable[[Path], None]) -> None:
    make(hostile_box.rootfs / "bin/entry")
    hostile_box.begin("sleep", "1000")
    assert hostile_box.exec("/bin/entry") == (1, "")


def test_nor_without_a_filter_or_as_a_user(hostile_box: Any) -> None:
    script(hostile_box.rootfs / "bin/entry")
    hostile_box.spec.linux.seccomp = None
    hostile_box.spec.process.user.uid = 1000
    assert hostile_box.run("/bin/entry") == (1, "")


def test_a_container_without_proc_starts(native_box: Any) -> None:
    native_box.spec.mounts = [item for item in native_box.spec.mounts if item.destination != "/proc"]
    native_box.spec.linux.masked_paths = native_box.spec.linux.readonly_paths = []
    assert native_box.run("echo", "here") == (0, "here\n")


def test_a_filter_that_knows_only_execve(native_box: Any) -> None:
    for rule in native_box.spec.linux.seccomp.syscalls:
        rule.names = [name for name in rule.names if name != "execveat"]
    assert native_box.run("echo", "here") == (0, "here\n")


def test_arguments_and_environment_arrive(native_box: Any) -> None:
    native_box.spec.process.env = ["PATH=/bin", "A=1", "B="]
    code, output = native_box.run("sh", "-c", 'echo "$0|$1|$2|$#"; env | grep "^[AB]="', "zero", "", "zwei\ndrei")
    assert (code, output) == (0, "zero||zwei\ndrei|2\nA=1\nB=\n")


def test_the_program_cannot_be_changed() -> None:
    fd = trampoline.prepare()
    try:
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(("path", "number"), [("/missing", errno.ENOENT), ("/etc", errno.EACCES)])
def test_failures_are_told(path: str, number: int) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        program = trampoline.prepare()
        trampoline.hold_failure(write)
        trampoline.run(program, path, ["x"], {})
    os.close(write)
    content = report.read_until_closed(read)
    os.close(read)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    told, error = trampoline.failure(content)
    assert (told, error.errno) == (path, number)
    with pytest.raises(CommandNotFound if number == errno.ENOENT else CommandNotExecutable):
        report.receive(content)


@pytest.mark.parametrize("content", [
    b"E", b"X", b"", b'E["os","m",null]', b'E["SampanError"]', b'E["annotations","m",null]'])
def test_last_words_are_not_believed(content: bytes) -> None:
    with pytest.raises(PluginFault):
        report.receive(content)


def test_a_path_that_is_no_text_can_be_told_on() -> None:
    path, error = trampoline.failure(b"X\"/\xff")
    assert (path, error.errno) == ("/\N{REPLACEMENT CHARACTER}", errno.ENOENT)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_programs_are_what_they_should_be(machine: str, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(trampoline.program(machine))
    told = subprocess.run(["readelf", "-hlW", path], check=True, capture_output=True, text=True).stdout
    assert {"x86_64": "X86-64", "aarch64": "AArch64"}[machine] in told
    assert "RWE" not in told


def test_other_machines_are_refused() -> None:
    with pytest.raises(Unsupported):
        trampoline.program("vax")
