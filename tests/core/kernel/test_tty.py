from __future__ import annotations

import os

import pytest

from sampan.errors import Unsupported
from sampan.kernel import tty


def test_a_pair_has_a_size_and_raw_mode_lets_all_through() -> None:
    ptmx = os.open("/dev/pts/ptmx", os.O_PATH)
    master, slave = tty.open_pair(ptmx)
    try:
        tty.resize(master, 11, 22)
        assert tty.size(slave) == (11, 22)
        with tty.raw(slave):
            os.write(master, b"\x03")
            assert os.read(slave, 1) == b"\x03"
        os.write(master, b"a\r")
        assert os.read(slave, 4) == b"a\n"
    finally:
        for fd in (ptmx, master, slave):
            os.close(fd)


def test_what_is_no_multiplexer() -> None:
    null = os.open("/dev/null", os.O_PATH)
    try:
        with pytest.raises(Unsupported):
            tty.open_pair(null)
    finally:
        os.close(null)
    with pytest.raises(Unsupported):
        tty.open_pair_at("/dev/zero")
