"""Test progress on a real terminal and off it."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios

from sampan.cli.progress import Progress


def test_plain_lines_off_a_terminal() -> None:
    out = io.StringIO()
    with Progress(out) as progress:
        progress.line("18.04: Pulling from library/ubuntu")
        progress.update("92dc2a97ff99", "Pulling fs layer")
        progress.update("92dc2a97ff99", "Downloading", 10, 100)
        progress.update("92dc2a97ff99", "Download complete")
        progress.update("92dc2a97ff99", "Download complete")
        progress.update("92dc2a97ff99", "Pull complete")
        progress.line("Status: Downloaded")
    assert out.getvalue().splitlines() == [
        "18.04: Pulling from library/ubuntu",
        "92dc2a97ff99: Pulling fs layer",
        "92dc2a97ff99: Download complete",
        "92dc2a97ff99: Pull complete",
        "Status: Downloaded",
    ]


def drawn(columns: int, lines: int = 24) -> str:
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        with os.fdopen(os.dup(slave), "w") as stream, Progress(stream) as progress:
            progress.update("aaa", "Downloading", 0, 100_000)
            progress.update("bbb", "Pulling fs layer")
            for done in range(0, 100_000, 100):
                progress.update("aaa", "Downloading", done, 100_000)
            progress.update("aaa", "Pull complete")
        return os.read(master, 1 << 16).decode()
    finally:
        os.close(master)
        os.close(slave)


def test_bars_are_redrawn_in_place_and_the_cursor_comes_back() -> None:
    text = drawn(100)
    assert text.startswith("\x1b[?25l")
    assert text.endswith("\x1b[?25h")
    assert "aaa: Downloading [>" in text
    assert "/100kB" in text
    assert "\x1b[2A" in text
    assert "aaa: Pull complete" in text
    assert text.count("aaa: Downloading") < 20  # a thousand updates, few of them drawn


def test_a_narrow_window_is_never_overrun() -> None:
    for line in drawn(20).replace("\x1b[K", "").split("\r\n"):
        assert len(line.rpartition("\r")[2]) < 30
    assert "[=" not in drawn(20)


def test_a_low_window_shows_what_fits() -> None:
    text = drawn(80, 2)
    assert "\x1b[2A" not in text
