"""Run a piece of a test in a forked child, where it may change what is the process's own."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def forked() -> Callable[[Callable[[], Any]], Any]:
    """Return a function that calls another in a child, and returns or raises what that does."""
    return _forked


def _forked(body: Callable[[], Any]) -> Any:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            try:
                answer = ("ok", body())
            except BaseException as error:
                answer = ("failed", (error, traceback.format_exc()))
            with os.fdopen(write, "wb") as out:
                pickle.dump(answer, out)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as source:
        content = source.read()
    status = os.waitpid(pid, 0)[1]
    assert content, f"the child died: {status}"
    kind, value = pickle.loads(content)
    if kind == "failed":
        print(value[1])
        raise value[0]
    return value


@pytest.fixture
def in_mounts(forked: Callable[[Callable[[], Any]], Any]) -> Callable[[Callable[[], Any]], Any]:
    """Like ``forked``, in a mount namespace of its own."""
    from sampan.kernel import libc, mount, namespaces

    def run(body: Callable[[], Any]) -> Any:
        def inside() -> Any:
            namespaces.create(namespaces.flag("mount"))
            libc.mount(None, "/", None, mount.REC | mount.PRIVATE)
            return body()

        return forked(inside)

    return run
