"""The caller's terminal: detach keys, raw mode, sizes; and the relay between streams."""

import os
import pty
import signal
import socket
import termios
import threading

import pytest

from sampan.cli import terminal
from sampan.cli.relay import AttachmentRelay, ExecutionRelay, write
from sampan.cli.signals import Forwarding, Resizes
from sampan.engine import wire
from sampan.engine.attach import Attachment
from sampan.engine.exec_ import Execution
from sampan.engine.wire import Kind
from sampan.errors import InvalidInput


@pytest.mark.parametrize(("text", "keys"), [
    ("ctrl-p,ctrl-q", b"\x10\x11"), ("a", b"a"), ("ctrl-@,ctrl-[,ctrl-_", b"\x00\x1b\x1f"), ("ctrl-A,Z", b"\x01Z"),
    ("", b""),
])
def test_detach_keys_are_read(text, keys):
    assert terminal.parse_detach_keys(text) == keys


@pytest.mark.parametrize("text", ["foo", "ctrl-", "ctrl-pp", "a,,b", "ctrl-1", "é"])
def test_detach_keys_that_are_none(text):
    with pytest.raises(InvalidInput, match="Invalid detach keys"):
        terminal.parse_detach_keys(text)


@pytest.mark.parametrize(("typed", "passed", "detached"), [
    ([b"ls\r"], b"ls\r", False),
    ([b"x\x10\x11y"], b"x", True),
    ([b"x\x10", b"\x11"], b"x", True),
    ([b"x\x10", b"y\x11"], b"x\x10y\x11", False),
    ([b"\x10\x10", b"\x11"], b"\x10", True),
    ([b"\x10", b"\x10", b"a"], b"\x10\x10a", False),
])
def test_detach_keys_are_seen_wherever_reads_end(typed, passed, detached):
    keys = terminal.DetachKeys(b"\x10\x11")
    assert b"".join(keys.filter(content) for content in typed) == passed
    assert keys.typed is detached


def test_raw_mode_is_left_on_every_path():
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with pytest.raises(RuntimeError), terminal.raw(slave):
        assert termios.tcgetattr(slave) != before
        raise RuntimeError
    assert termios.tcgetattr(slave) == before
    terminal.set_size(master, 12, 34)
    assert os.get_terminal_size(slave) == (34, 12)
    os.close(master)
    os.close(slave)


def test_what_is_no_terminal_is_left_alone(tmp_path):
    with open(tmp_path / "file", "w+b") as file, terminal.raw(file.fileno()):
        assert not terminal.is_terminal(file.fileno())
    assert not terminal.is_terminal(987)


def test_write_waits_for_a_reader_that_is_slow():
    reader, writer = os.pipe2(os.O_NONBLOCK)
    content = os.urandom(1 << 20)
    received = bytearray()

    def drain():
        os.set_blocking(reader, True)
        while chunk := os.read(reader, 10_000):
            received.extend(chunk)

    thread = threading.Thread(target=drain)
    thread.start()
    write(writer, content)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert bytes(received) == content


def pipes():
    (source, typing), (reading, target) = os.pipe(), os.pipe()
    return source, typing, reading, target


def test_attachment_carries_both_ways_to_the_end():
    ours, theirs = socket.socketpair()
    source, typing, reading, target = pipes()
    os.write(typing, b"typed")
    os.close(typing)

    def monitor():
        parser, seen = wire.Parser(), []
        while (Kind.CLOSE_INPUT, b"") not in seen:
            seen += parser.feed(theirs.recv(4096))
        said = b"".join(content for kind, content in seen if kind is Kind.INPUT)
        theirs.sendall(wire.frame(Kind.OUTPUT, said.upper()) + wire.frame(Kind.ERRORS, b"lost"))
        theirs.sendall(wire.frame(Kind.EXIT, b"7"))
        theirs.close()

    thread = threading.Thread(target=monitor)
    thread.start()
    attachment = Attachment(ours, None)
    relay = AttachmentRelay(attachment, source, {Kind.OUTPUT: target})
    relay.run()
    thread.join()
    assert os.read(reading, 100) == b"TYPED"
    assert (attachment.exit_code, relay.detached, relay.left) == (7, False, False)
    attachment.close()
    for descriptor in (source, reading, target):
        os.close(descriptor)


def test_attachment_is_left_at_the_keys():
    ours, theirs = socket.socketpair()
    source, typing, reading, target = pipes()
    os.write(typing, b"last\x10\x11never")
    relay = AttachmentRelay(Attachment(ours, None), source, {Kind.OUTPUT: target}, b"\x10\x11")
    relay.run()
    assert relay.detached
    assert list(wire.Parser().feed(theirs.recv(100))) == [(Kind.INPUT, b"last")]
    ours.close()
    theirs.close()
    for descriptor in (source, typing, reading, target):
        os.close(descriptor)


def test_execution_ends_with_its_process_though_its_pipe_stays_open():
    source, typing, reading, target = pipes()
    out, out_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(out_end, b"x" * 50_000)
        os._exit(3)
    execution = Execution(pid, None)
    ExecutionRelay(execution, None, None, {out: target}).run()
    assert execution.wait() == 3
    assert len(os.read(reading, 1 << 20)) == 50_000
    for descriptor in (source, typing, reading, target, out_end):
        os.close(descriptor)


def test_signals_wait_until_there_is_someone_to_have_them():
    got = []
    before = signal.getsignal(signal.SIGUSR1)
    with Forwarding() as forwarding:
        signal.raise_signal(signal.SIGUSR1)
        forwarding.to(got.append)
        signal.raise_signal(signal.SIGTERM)
    assert got == [signal.SIGUSR1, signal.SIGTERM]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_resizes_make_a_descriptor_readable():
    with Resizes() as resizes:
        resizes.clear()
        signal.raise_signal(signal.SIGWINCH)
        assert os.read(resizes.fileno(), 10) == b"!"
