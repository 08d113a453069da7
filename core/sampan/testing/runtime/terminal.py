"""Check the terminals of first processes and of others."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import os
import select
import time

from sampan.contracts.runtime import Stdio
from sampan.kernel import tty
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import PATIENCE, Box, wait


def _drain(fd: int) -> str:
    content = b""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            chunk = os.read(fd, 4096)
        except OSError:  # the last user of the slave is gone
            break
        if not chunk:
            break
        content += chunk
    return content.decode()


class TerminalTests:
    """What has a terminal, and what can be done with it."""

    def test_the_first_process_has_a_controlling_terminal_of_the_size_asked_for(self, box: Box) -> None:
        box.spec.process.terminal = True
        box.spec.process.console_size = oci.ConsoleSize(height=33, width=101)
        box.begin("sh", "-c", "tty; stty size; echo x > /dev/console; echo y > /dev/tty; exit 5")
        assert box.console is not None
        output = _drain(box.console)
        assert output.split() == ["/dev/pts/0", "33", "101", "x", "y"] or output.split()[1:] == ["33", "101", "x", "y"]
        assert box.wait() == 5

    def test_exec_has_a_terminal_that_can_be_resized_and_typed_at(self, box: Box) -> None:
        box.begin("sleep", "1000")
        process = box.process("sh", "-c", "read line; echo got $line; stty size", terminal=True,
                              console_size=oci.ConsoleSize(height=10, width=20))
        started = box.runtime.exec(box.id, process, Stdio())
        assert started.console is not None
        assert not os.get_inheritable(started.console)
        tty.resize(started.console, 40, 120)
        os.write(started.console, b"hello\n")
        output = _drain(started.console)
        os.close(started.console)
        assert "got hello" in output
        assert "40 120" in output
        assert wait(started.pid) == 0

    def test_typed_interrupts_reach_the_foreground(self, box: Box) -> None:
        box.begin("sleep", "1000")
        process = box.process("sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; while true; do sleep 0.02; done",
                              terminal=True)
        started = box.runtime.exec(box.id, process, Stdio())
        assert started.console is not None
        seen = b""
        while b"ready" not in seen:
            seen += os.read(started.console, 4096)
        os.write(started.console, b"\x03")
        assert "caught" in _drain(started.console)
        os.close(started.console)
        assert wait(started.pid) == 9
