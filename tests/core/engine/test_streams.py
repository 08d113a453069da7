"""Tests of the bytes between a container and those attached to it."""

from __future__ import annotations

import hashlib
import os
import select
import threading
import time

import pytest
from tests.core.engine.containers import Bench, collect, eventually, read_until

from sampan.engine import attach, wire
from sampan.engine.attach import Attachment
from sampan.engine.wire import Kind
from sampan.errors import Conflict
from sampan.model.container import Status

_LARGE = 20 << 20


def _converse(attachment: Attachment, content: bytes) -> bytes:
    """Send all of it and end the input, while reading what comes back."""

    def send() -> None:
        attachment.send(content)
        attachment.close_input()

    sender = threading.Thread(target=send)
    sender.start()
    output, _ = collect(attachment)
    sender.join()
    return output


def test_input_and_its_end(bench: Bench) -> None:
    with bench.attached("cat", open_stdin=True, stdin_once=True) as attachment:
        assert _converse(attachment, b"to and fro\n") == b"to and fro\n"
    assert attachment.exit_code == 0


def test_twenty_megabytes_both_ways_unchanged(bench: Bench) -> None:
    content = os.urandom(1 << 20) * (_LARGE >> 20)
    with bench.attached("cat", open_stdin=True, stdin_once=True, log_driver="none") as attachment:
        output = _converse(attachment, content)
    assert hashlib.sha256(output).digest() == hashlib.sha256(content).digest()


def test_every_byte_value(bench: Bench) -> None:
    with bench.attached("cat", open_stdin=True, stdin_once=True) as attachment:
        assert _converse(attachment, bytes(range(256))) == bytes(range(256))


def test_output_after_the_input_ended(bench: Bench) -> None:
    with bench.attached("sh", "-c", "cat >/dev/null; echo done", open_stdin=True, stdin_once=True) as attachment:
        attachment.close_input()
        assert collect(attachment) == (b"done\n", b"")


def test_input_nobody_reads_does_not_stop_the_container(bench: Bench) -> None:
    with bench.attached("sh", "-c", "exec <&-; echo deaf; sleep 0.2", open_stdin=True, stdin_once=True) as attachment:
        assert _converse(attachment, b"x" * (4 << 20)) == b"deaf\n"
    assert attachment.exit_code == 0


def test_without_open_stdin_there_is_no_input(bench: Bench) -> None:
    assert bench.run("sh", "-c", "cat; echo end") == (0, "end\n")
    with bench.attached("sh", "-c", "sleep 0.3; read -t 0.1 line; echo ${line:-nothing}", terminal=True) as attachment:
        attachment.send(b"typed\n")
        assert b"nothing" in collect(attachment)[0]


def test_without_stdin_once_the_input_outlives_its_client(bench: Bench) -> None:
    container = bench.start("sh", "-c", "while read line; do echo got $line; done", open_stdin=True)
    for word in (b"one", b"two"):
        with bench.engine.attach(container.id) as attachment:
            attachment.send(word + b"\n")
            attachment.close_input()
            read_until(attachment, b"got " + word)
    assert bench.engine.container(container.id).alive


def test_a_client_that_vanishes_ends_its_input(bench: Bench) -> None:
    attachment = bench.attached("sh", "-c", "cat; sleep 100", open_stdin=True, stdin_once=True)
    container = attachment.container
    with bench.engine.attach(container.id) as viewer:
        pass  # one that only looks on ends nothing
    with bench.engine.attach(container.id) as viewer:
        attachment.send(b"some")
        read_until(viewer, b"some")
        attachment.close()
        pids = bench.engine.runtime(container.runtime).pids
        eventually(lambda: not any(b"cat" in _command(pid) for pid in pids(container.id)))


def _command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_everyone_attached_gets_everything_and_the_end(bench: Bench) -> None:
    first = bench.attached("sh", "-c", "read go; echo out; echo err >&2; exit 5", open_stdin=True)
    others = [bench.engine.attach(first.container.id) for _ in range(5)]
    others[0].send(b"\n")
    for attachment in (first, *others):
        with attachment:
            assert collect(attachment) == (b"out\n", b"err\n")
            assert attachment.exit_code == 5


def test_a_slow_client_makes_the_container_wait(bench: Bench) -> None:
    attachment = bench.attached("sh", "-c", "yes | head -c 20000000; echo over >&2", log_driver="none")
    time.sleep(0.3)
    assert bench.engine.container(attachment.container.id).alive
    with attachment:
        output, errors = collect(attachment)
    assert (len(output), errors) == (20_000_000, b"over\n")


def test_a_slow_client_does_not_delay_the_others(bench: Bench) -> None:
    # Little enough to end, too much for the slow one's socket to hold: 700 kB.
    slow = bench.attached("sh", "-c", "read go; yes | head -c 700000", open_stdin=True, log_driver="none")
    container = slow.container.id
    slow.send(b"\n")
    started = time.monotonic()
    assert bench.engine.wait(container) == 0
    assert bench.engine.container(container).status is Status.EXITED
    bench.engine.remove(container)
    assert time.monotonic() - started < 5
    with slow:
        assert len(collect(slow)[0]) == 700_000
    assert slow.exit_code == 0


def test_a_stuck_client_does_not_keep_a_killed_container(bench: Bench) -> None:
    stuck = bench.attached("yes", log_driver="none")
    time.sleep(0.1)
    bench.engine.remove(stuck.container.id, force=True)
    stuck.close()


def test_a_slow_client_that_vanishes_lets_the_container_go_on(bench: Bench) -> None:
    slow = bench.attached("sh", "-c", "yes | head -c 20000000; echo over >&2", log_driver="none")
    time.sleep(0.1)
    slow.close()
    assert bench.engine.wait(slow.container.id) == 0


def test_output_goes_on_after_detaching(bench: Bench) -> None:
    script = "read go; echo later; read go"
    attachment = bench.attached("sh", "-c", script, open_stdin=True)
    attachment.close()
    with bench.engine.attach(attachment.container.id) as again:
        again.send(b"\n")
        read_until(again, b"later\n")
        again.send(b"\n")
        assert collect(again) == (b"", b"") and again.exit_code == 0
    assert [entry.content for entry in bench.engine.logs(attachment.container.id)] == [b"later\n"]


def test_size_at_start_and_resize(bench: Bench) -> None:
    script = "stty size; trap 'stty size; exit 6' WINCH; echo ready; while :; do sleep 0.05; done"
    with bench.attached("sh", "-c", script, terminal=True, open_stdin=True, size=(31, 87)) as attachment:
        assert read_until(attachment, b"ready\r\n") == b"31 87\r\nready\r\n"
        attachment.resize(44, 101)
        assert b"44 101" in collect(attachment)[0]
    assert attachment.exit_code == 6


def test_a_terminal_echoes_and_interrupts(bench: Bench) -> None:
    with bench.attached("sh", "-c", "trap 'exit 130' INT; tty; cat", terminal=True, open_stdin=True) as attachment:
        assert b"/dev/pts/0" in read_until(attachment, b"/dev/pts/0\r\n")
        attachment.send(b"hello\n")
        read_until(attachment, b"hello\r\nhello\r\n")
        attachment.send(b"\x03")
        collect(attachment)
    assert attachment.exit_code == 130


def test_end_of_file_typed_at_a_terminal(bench: Bench) -> None:
    with bench.attached("cat", terminal=True, open_stdin=True, stdin_once=True) as attachment:
        attachment.send(b"a\n\x04")
        assert collect(attachment)[0] == b"a\r\na\r\n"


def test_large_output_of_a_terminal(bench: Bench) -> None:
    with bench.attached("seq", "1", "100000", terminal=True, open_stdin=True, log_driver="none") as attachment:
        assert collect(attachment)[0] == b"".join(b"%d\r\n" % number for number in range(1, 100001))


@pytest.mark.parametrize("pid_mode", ["", "host"])
def test_the_end_of_the_first_process_is_the_end(bench: Bench, pid_mode: str) -> None:
    # A child that still has the pipes does not keep the container, nor outlive it; what was written is read.
    script = "(trap '' TERM; while :; do echo x; sleep 0.01; done) & sleep 0.1; echo last; exit 9"
    started = time.monotonic()
    code, output = bench.run("sh", "-c", script, pid_mode=pid_mode)
    assert code == 9 and "last\n" in output
    assert time.monotonic() - started < 5


def test_what_a_child_printed_last_is_not_lost(bench: Bench) -> None:
    code, output = bench.run("sh", "-c", "yes | head -c 60000 & wait; exit 0", log_driver="none")
    assert (code, len(output)) == (0, 60000)


def test_garbage_from_a_client_harms_only_itself(bench: Bench) -> None:
    container = bench.start("sleep", "100", terminal=True)
    for garbage in (b"\xff" * 100, wire.frame(Kind.RESIZE, b"x"), b"\x00\xff\xff\xff\xff", wire.frame(Kind.EXIT, b"3")):
        rude = attach.connect(bench.engine, container)
        assert rude is not None
        with rude:
            rude._say(garbage)
            if garbage[0] != Kind.EXIT:
                assert not rude.receive()
    assert bench.engine.container(container.id).alive


def test_attaching_to_what_does_not_run(bench: Bench) -> None:
    container = bench.create("true")
    with pytest.raises(Conflict, match="cannot attach to a stopped container"):
        bench.engine.attach(container.id)


def test_closing_detaches_and_leaves_no_descriptor(bench: Bench) -> None:
    container = bench.start("sleep", "100")
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with bench.engine.attach(container.id) as attachment:
            assert not select.select([attachment], [], [], 0)[0]
    assert set(os.listdir("/proc/self/fd")) == before
