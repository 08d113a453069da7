"""Network namespaces are made and entered for real, and left again whatever happens."""

from __future__ import annotations

import os
import socket

import pytest

from sampan.errors import Denied
from sampan.kernel import capabilities, netns

OWN = "/proc/thread-self/ns/net"


def test_a_new_sandbox_is_another_and_the_thread_stays() -> None:
    before = os.readlink(OWN)
    sandbox = netns.new_sandbox()
    try:
        assert os.readlink(OWN) == before
        assert os.readlink(f"/proc/self/fd/{sandbox}") != before
        assert not os.get_inheritable(sandbox)
    finally:
        os.close(sandbox)


def test_inside_there_is_only_a_loopback_that_can_be_brought_up() -> None:
    sandbox = netns.new_sandbox()
    try:
        with netns.entered(f"/proc/{os.getpid()}/fd/{sandbox}"):
            assert [name for _index, name in socket.if_nameindex()] == ["lo"]
            with socket.socket() as early, pytest.raises(OSError):
                early.connect(("127.0.0.1", 1))
            netns.loopback_up()
            with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
                client.connect(server.getsockname())
    finally:
        os.close(sandbox)


def test_a_socket_stays_where_it_was_made() -> None:
    sandbox = netns.new_sandbox()
    try:
        with netns.entered(f"/proc/self/fd/{sandbox}"):
            inside = socket.socket()
            netns.loopback_up()
        with inside:
            inside.bind(("127.0.0.1", 0))
            inside.listen()
            with socket.socket() as outside, pytest.raises(ConnectionRefusedError):
                outside.connect(inside.getsockname())
    finally:
        os.close(sandbox)


def test_an_exception_brings_the_thread_home() -> None:
    before, descriptors = os.readlink(OWN), len(os.listdir("/proc/self/fd"))
    sandbox = netns.new_sandbox()
    try:
        with pytest.raises(KeyError), netns.entered(f"/proc/self/fd/{sandbox}"):
            raise KeyError
    finally:
        os.close(sandbox)
    assert os.readlink(OWN) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("path", ["/proc/self/fd/9999", "/dev/null", "/proc/self/ns/uts"])
def test_what_is_no_network_namespace_is_refused(path: str) -> None:
    before, descriptors = os.readlink(OWN), len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError), netns.entered(path):
        pass
    assert os.readlink(OWN) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_the_last_descriptor_takes_the_namespace_along() -> None:
    sandbox = netns.new_sandbox()
    os.close(sandbox)
    with pytest.raises(OSError), netns.entered(f"/proc/self/fd/{sandbox}"):
        pass


def test_without_the_right_to_it_says_so() -> None:
    child = os.fork()
    if child == 0:
        try:
            capabilities.assign(0, 0, 0)
            netns.new_sandbox()
        except Denied as error:
            os._exit(7 if "CAP_SYS_ADMIN" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
