from __future__ import annotations

import os
import signal
import time
from threading import Thread

from sampan.store import locks
from sampan.store.layout import Layout
from sampan.store.store import Store


def test_one_at_a_time(store: Store, layout: Layout) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(20):
            with locks.exclusive(layout, "sha256:abc"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0002)
                inside.pop()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 80
    assert os.listdir(layout.locks) == []


def test_not_waiting(store: Store, layout: Layout) -> None:
    with locks.exclusive(layout, "a/b") as had:
        assert had
        with locks.exclusive(layout, "a/b", wait=False) as second:
            assert not second
        with locks.exclusive(layout, "other", wait=False) as other:
            assert other
    with locks.exclusive(layout, "a/b", wait=False) as again:
        assert again


def test_a_killed_holder_lets_go(store: Store, layout: Layout) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with locks.exclusive(layout, "x"):
            os.write(writer, b"!")
            signal.pause()
    os.read(reader, 1)
    with locks.exclusive(layout, "x", wait=False) as had:
        assert not had
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with locks.exclusive(layout, "x", wait=False) as had:
        assert had
    os.close(reader)
    os.close(writer)
