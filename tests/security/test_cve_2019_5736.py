"""CVE-2019-5736: an image's command was a link to /proc/self/exe, through which the engine's own program was written.

In whatever way a program gets in, it finds itself behind /proc/self/exe, and nothing that can be written. (With hostile
loaders and interpreters: tests/plugins/runtimes/native/test_trampoline.py.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.core.engine.containers import Bench

PROGRAM = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    char path[4096] = "";
    for (int pid = 0; pid < 100; pid++) {
        char name[64];
        snprintf(name, sizeof name, pid ? "/proc/%d/exe" : "/proc/self/exe", pid);
        ssize_t size = readlink(name, path, sizeof path - 1);
        if (size < 0) continue;
        path[size] = 0;
        printf("%s%s\n", path, open(name, O_WRONLY) >= 0 ? " writable" : "");
    }
    return 0;
}
"""


def test_no_way_in_leads_to_the_interpreter(
    bench: Bench, compiled: Callable[[str], Path], way: Callable[..., str]
) -> None:
    before = Path(sys.executable).resolve().stat()
    told = way(bench, compiled(PROGRAM)).split("\n")
    assert set(told) <= {"/program", "/bin/busybox writable", "/bin/busybox", "/bin/sleep", "/bin/sh", ""}
    after = Path(sys.executable).resolve().stat()
    assert (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)
