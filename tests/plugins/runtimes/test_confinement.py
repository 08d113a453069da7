"""What a container may not do, see or keep, whichever runtime made it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import InvalidInput, SampanError
from sampan.model import runtime_spec as oci

FORBIDDEN = """
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    errno = 0; syscall(SYS_unshare, 0x10000000); printf("unshare %d\\n", errno);
    errno = 0; syscall(SYS_mount, 0, 0, 0, 0, 0); printf("mount %d\\n", errno);
    errno = 0; syscall(435, 0, 0); printf("clone3 %d\\n", errno);
    errno = 0; syscall(SYS_keyctl, 0, 0); printf("keyctl %d\\n", errno);
    errno = 0; syscall(100000, 0); printf("unknown %d\\n", errno);
    errno = 0; syscall(SYS_personality, 0x0040000); printf("personality %d\\n", errno);
    errno = 0; syscall(SYS_socket, 40, 1, 0); printf("vsock %d\\n", errno);
    return 0;
}
"""


def test_null_streams_are_the_containers_own(native_box: Any) -> None:
    # Through a stream on the host's /dev/null, root in the container could change the mode of the host's; runc 1.1.5
    # leaves it so in an exec.
    box = native_box
    box.begin("sleep", "1000")
    _, output = box.exec("stat", "-L", "-c", "%d:%i", "/proc/self/fd/0", "/proc/1/fd/0", "/dev/null")
    assert len(set(output.split())) == 1


@pytest.mark.parametrize("bits", ["-m64", "-m32"])
def test_forbidden_calls_fail_in_both_word_sizes(box: Any, bits: str, tmp_path: Path) -> None:
    if bits == "-m32":
        _assemble_32(box.rootfs / "bin/forbidden", tmp_path)
        code, output = box.run("/bin/forbidden")
        assert (code, output) == (0, "unshare 1\nclone3 38\nunknown 38\n")
        return
    source = tmp_path / "forbidden.c"
    source.write_text(FORBIDDEN)
    subprocess.run(["gcc", "-static", "-o", str(box.rootfs / "bin/forbidden"), str(source)], check=True)
    expected = {"unshare": 1, "mount": 1, "clone3": 38, "keyctl": 1, "unknown": 38, "personality": 1, "vsock": 1}
    assert box.shell("/bin/forbidden").splitlines() == [f"{name} {number}" for name, number in expected.items()]


def _assemble_32(target: Path, tmp_path: Path) -> None:
    """Build a 32-bit program without a 32-bit C library: system calls alone, by interrupt 0x80."""
    source = tmp_path / "forbidden32.c"
    source.write_text(r"""
static int call(int n, int a, int b, int c) {
    int r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory"); return r;
}
static void tell(const char *name, int length, int result) {
    char text[4] = {' ', '0' + (-result / 10), '0' + (-result % 10), '\n'};
    call(4, 1, (int)name, length);
    if (-result < 10) { text[1] = ' '; text[2] = '0' - result; call(4, 1, (int)&text[1], 3); }
    else call(4, 1, (int)text, 4);
}
void _start(void) {
    tell("unshare", 7, call(310, 0x10000000, 0, 0));
    tell("clone3", 6, call(435, 0, 0, 0));
    tell("unknown", 7, call(100000, 0, 0, 0));
    call(1, 0, 0, 0);
}
""")
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-fno-stack-protector", "-o",
                    str(target), str(source)], check=True)


def test_links_in_the_way_of_devices_are_kept_inside(native_box: Any, tmp_path: Path) -> None:
    # Of the native runtime alone: runc 1.1.5 makes /dev's links by name, and outside.
    box = native_box
    outside = tmp_path / "victim"
    outside.mkdir()
    shutil.rmtree(box.rootfs / "dev")
    (box.rootfs / "dev").symlink_to(outside)
    box.spec.mounts = [mount for mount in box.spec.mounts if not mount.destination.startswith("/dev")]
    try:
        box.shell("true")
    except (SampanError, AssertionError):
        pass
    assert list(outside.iterdir()) == []


def test_resources_are_limited(box: Any) -> None:
    box.spec.linux.resources.memory = oci.Memory(limit=64 << 20)
    box.spec.linux.resources.pids = oci.Pids(limit=50)
    box.spec.linux.resources.cpu = oci.CPU(shares=512, quota=50000, period=100000, cpus="0")
    root = "/sys/fs/cgroup"
    output = box.shell(
        f"cat {root}/memory/memory.limit_in_bytes {root}/pids/pids.max {root}/cpu/cpu.shares "
        f"{root}/cpu/cpu.cfs_quota_us {root}/cpuset/cpuset.cpus; nproc")
    assert output.split() == [str(64 << 20), "50", "512", "50000", "0", "1"]


def _status(text: str) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def test_sysfs_is_not_reached_through_a_link(native_box: Any) -> None:
    (native_box.rootfs / "sys").rmdir()
    (native_box.rootfs / "sys").symlink_to("/tmp")
    with pytest.raises(InvalidInput, match="/sys must not be reached through a symbolic link"):
        native_box.create("true")


def test_a_mount_that_fails_is_named_by_its_place(native_box: Any) -> None:
    native_box.spec.mounts.append(oci.Mount(destination="/x", type="tmpfs", source="tmpfs", options=["size=abc"]))
    with pytest.raises(SampanError) as caught:
        native_box.create("true")
    assert caught.value.message == "mounting /x failed: invalid argument"


def test_a_directory_that_is_a_file(native_box: Any) -> None:
    native_box.spec.process.cwd = "/bin/busybox"
    with pytest.raises(InvalidInput, match="not a directory"):
        native_box.create("true")
