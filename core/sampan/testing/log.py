"""Check a log driver against the contract of ``sampan.contracts.log``.

A plugin's test subclasses LogDriverSuite and provides one fixture, ``make``, that opens a ready driver::

    class TestMyLogs(LogDriverSuite):
        @pytest.fixture
        def make(self) -> Callable[[], LogDriver]:
            return MyDriver

A driver whose ``read`` raises Unsupported is held only to what a writer must keep.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sampan.contracts.log import Entry, LogDriver, LogWriter, Stream
from sampan.errors import InvalidInput, Unsupported
from sampan.testing.forking import forked

Make = Callable[[], LogDriver]
PATIENCE = 5.0  # seconds until what should happen counts as not happening
_ID = "5e" * 32
_START = 1_700_000_000.25
_WOVEN: tuple[tuple[Stream, bytes], ...] = (
    ("stdout", b"on"), ("stderr", b"thr"), ("stdout", b"e\ntw"), ("stderr", b"ee\nfour"), ("stdout", b"o\n"),
)


class LogDriverSuite:
    """What every log driver keeps to."""

    @pytest.fixture
    def make(self) -> Make:
        """Return a function that opens the driver under test."""
        raise NotImplementedError("a log driver's test provides the fixture make")

    @pytest.fixture
    def options(self) -> Mapping[str, str]:
        """Return the options that a log cannot be opened without; a derived class may have some."""
        return {}

    @pytest.fixture
    def log(self, make: Make, options: Mapping[str, str], tmp_path: Path) -> Log:
        """Return the log of one container."""
        return Log(make(), str(tmp_path), options)

    def test_unknown_options_are_refused(self, log: Log) -> None:
        """Opening for writing with an option nobody knows raises InvalidInput."""
        with pytest.raises(InvalidInput):
            log.driver.open(log.where, _ID, {**log.options, "no-such-option": "1"})

    def test_closing_twice_is_harmless(self, log: Log) -> None:
        """A monitor's clean-up may close again."""
        writer = log.open()
        writer.close()
        writer.close()

    def test_anything_may_be_written(self, log: Log) -> None:
        """No bytes, of any kind or number, make a writer fail."""
        log.write(b"", b"\0\xff\xfe\n", b"\n\n", b"x" * 300_000, b"\n")

    def test_an_unwritten_log_is_empty(self, log: Log) -> None:
        """Reading before anything was written yields nothing."""
        assert log.readable() == (log.lines() == [])

    def test_lines_come_back_in_order(self, log: Log) -> None:
        """What was printed is read with its stream and time."""
        log.write(b"one\n", b"two\n", stream="stdout")
        log.write(b"three\n", stream="stderr", at=_START + 5)
        if log.readable():
            assert [(e.stream, e.content) for e in log.entries()] == [
                ("stdout", b"one\n"),
                ("stdout", b"two\n"),
                ("stderr", b"three\n"),
            ]
            assert [round(e.time - _START, 3) for e in log.entries()] == [0, 1, 5]

    def test_chunks_and_lines_are_different_things(self, log: Log) -> None:
        """A chunk may hold several lines, a line several chunks."""
        log.write(b"a\nb\nc", b"d\n", b"e")
        if log.readable():
            assert log.lines() == [b"a\n", b"b\n", b"cd\n", b"e"]

    def test_text_survives(self, log: Log) -> None:
        """Every Unicode character and control code comes back as it was."""
        text = "".join(map(chr, [*range(10), *range(11, 0x800), 0x2028, 0xFFFF, 0x1F6A3])).encode() + b"\n"
        log.write(text)
        if log.readable():
            assert b"".join(log.lines()) == text

    def test_long_lines_survive(self, log: Log) -> None:
        """A line of any length comes back whole, in however many entries, its newline at the very end."""
        text = ("é" * 40_000).encode() + b"\n"
        log.write(b"before\n" + text[:50_001], text[50_001:] + b"after\n")
        if log.readable():
            assert b"".join(log.lines()) == b"before\n" + text + b"after\n"
            assert log.lines()[0] == b"before\n"
            assert log.lines()[-1] == b"after\n"

    def test_a_restarted_container_continues_its_log(self, log: Log) -> None:
        """Opening again appends."""
        log.write(b"first\n")
        log.write(b"second\n")
        if log.readable():
            assert log.lines() == [b"first\n", b"second\n"]

    @pytest.mark.parametrize("tail", [0, 1, 2, 3, 99])
    def test_tail(self, log: Log, tail: int) -> None:
        """Only the last entries are read."""
        lines = [b"1\n", b"2\n", b"3\n"]
        log.write(*lines)
        if log.readable():
            assert log.lines(tail=tail) == (lines[-tail:] if tail else [])

    def test_since_and_until(self, log: Log) -> None:
        """Entries before since and after until are left out."""
        log.write(b"1\n", b"2\n", b"3\n", b"4\n")
        if log.readable():
            assert log.lines(since=_START + 0.5) == [b"2\n", b"3\n", b"4\n"]
            assert log.lines(until=_START + 2.5) == [b"1\n", b"2\n", b"3\n"]
            assert log.lines(since=_START + 0.5, until=_START + 1.5) == [b"2\n"]

    def test_follow_sees_what_is_written_meanwhile_and_ends_promptly(self, log: Log) -> None:
        """A follower gets every line while the writer writes, and what is left when told to stop."""
        if not log.readable():
            return
        log.write(b"old\n")
        seen: list[bytes] = []
        alive = threading.Event()
        alive.set()

        def follow() -> None:
            seen.extend(e.content for e in log.driver.read(log.where, log.options, follow=alive.is_set))

        thread = threading.Thread(target=follow)
        thread.start()
        writer = log.open()
        for number in range(20):
            writer.write("stdout", b"%d\n" % number, _START + number)
            time.sleep(0.005)
        _until(lambda: len(seen) >= 10)
        writer.write("stdout", b"last", _START + 99)
        writer.close()
        alive.clear()
        stopped = time.monotonic()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert time.monotonic() - stopped < 1
        assert seen == [b"old\n", *(b"%d\n" % number for number in range(20)), b"last"]


    def test_a_killed_writer_loses_no_line_that_was_written(self, log: Log) -> None:
        """What it had taken is there, in order; the next writer goes on after it."""
        written = [line for most in (1, 20, 50) for line in _written_before_a_kill(log, most)]
        log.write(b"after\n")
        if log.readable():
            *lines, last = log.lines()
            assert last == b"after\n"
            assert [line for line in lines if line in set(written)] == written
            assert len(lines) <= len(written) + 3, "more than each may have written before it could tell"

    def test_streams_are_apart(self, log: Log) -> None:
        """A line begun on one stream is not ended by what comes on the other."""
        writer = log.open()
        for stream, content in _WOVEN:
            writer.write(stream, content, _START)
        writer.close()
        if log.readable():
            for wanted, lines in (("stdout", [b"one\n", b"two\n"]), ("stderr", [b"three\n", b"four"])):
                assert [entry.content for entry in log.entries() if entry.stream == wanted] == lines

    def test_containers_have_logs_of_their_own(self, log: Log, make: Make, tmp_path: Path) -> None:
        """What one prints is not in the log of another."""
        logs = [Log(make(), str(tmp_path / name), log.options) for name in ("one", "other")]
        for one in logs:
            os.mkdir(one.where)
            one.write(one.where.encode() + b"\n")
        for one in logs:
            if one.readable():
                assert one.lines() == [one.where.encode() + b"\n"]

    def test_no_descriptor_stays_open(self, log: Log) -> None:
        """Neither of a writer that was closed nor of a reader that has ended."""
        log.write(b"line\n")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            log.write(b"line\n")
            log.readable()
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before


class Log:
    """One container's log, and how a test reads and writes it."""

    def __init__(self, driver: LogDriver, where: str, options: Mapping[str, str]) -> None:
        self.driver = driver
        self.where = where
        self.options = options

    def open(self) -> LogWriter:
        """Open it for writing."""
        return self.driver.open(self.where, _ID, self.options)

    def write(self, *chunks: bytes, stream: Stream = "stdout", at: float = _START) -> None:
        """Open the log, write the chunks a second apart from ``at`` on, and close it."""
        writer = self.open()
        for second, chunk in enumerate(chunks):
            writer.write(stream, chunk, at + second)
        writer.close()

    def readable(self) -> bool:
        """Tell whether the driver can be read at all."""
        try:
            self.entries(tail=0)
        except Unsupported:
            return False
        return True

    def entries(self, *, since: float = 0.0, until: float = 0.0, tail: int = -1) -> list[Entry]:
        """Read without following."""
        found: Iterator[Entry] = self.driver.read(self.where, self.options, since=since, until=until, tail=tail)
        return list(found)

    def lines(self, *, since: float = 0.0, until: float = 0.0, tail: int = -1) -> list[bytes]:
        """Read the contents only; nothing from a driver that cannot be read."""
        try:
            return [entry.content for entry in self.entries(since=since, until=until, tail=tail)]
        except Unsupported:
            return [b"(unreadable)"]


def _written_before_a_kill(log: Log, most: int) -> list[bytes]:
    """Have a process write until it has told of so many lines, and kill it; return those it told of."""
    reading, writing = os.pipe()

    def work() -> None:
        writer = log.open()
        while True:
            line = b"%d\n" % time.monotonic_ns()
            writer.write("stdout", line, _START)
            os.write(writing, line)

    child = forked(work)
    os.close(writing)
    with open(reading, "rb") as file:
        lines = [file.readline() for _ in range(most)]
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [*lines, *file.readlines()]


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()
