"""Test that packets are led to another port, in a namespace of the test's own."""

from __future__ import annotations

import socket

import pytest

from sampan.kernel import netns, redirect
from sampan.testing.sandbox import fresh_host


def test_both_protocols_are_led_and_the_port_stays_free() -> None:
    with (
        fresh_host(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, socket.socket(type=socket.SOCK_DGRAM) as own,
    ):
        netns.loopback_up()
        for one in (udp, tcp):
            one.bind(("127.0.0.11", 0))
        tcp.listen()
        redirect.lead("led", "127.0.0.11", 53, {
            socket.IPPROTO_UDP: udp.getsockname()[1], socket.IPPROTO_TCP: tcp.getsockname()[1],
        })
        own.bind(("", 53))
        asking.connect(("127.0.0.11", 53))
        asking.send(b"question")
        content, peer = udp.recvfrom(100)
        udp.sendto(content + b" and answer", peer)
        assert asking.recv(100) == b"question and answer"
        with socket.create_connection(("127.0.0.11", 53)) as connection:
            accepted, _ = tcp.accept()
            with accepted:
                accepted.sendall(b"hello")
            assert connection.recv(100) == b"hello" and connection.getpeername() == ("127.0.0.11", 53)
        asking.connect(("127.0.0.1", 53))
        asking.send(b"elsewhere")
        assert own.recv(100) == b"elsewhere"


def test_a_name_that_no_table_can_have() -> None:
    with fresh_host(), pytest.raises(OSError):
        redirect.lead("x" * 300, "127.0.0.11", 53, {socket.IPPROTO_UDP: 1})
