"""Tests of how what the user asks and what the image says make one command line and environment."""

from __future__ import annotations

import pytest

from sampan.engine import process
from sampan.errors import CommandNotFound, InvalidInput
from sampan.model.container import ContainerSpec
from sampan.model.image import Defaults

_IMAGE = Defaults(
    entrypoint=("/entry",), cmd=("default",), env=("A=image", "B=image"), user="alice", working_dir="/srv",
    labels={"a": "image", "b": "image"}, stop_signal="INT",
)


@pytest.mark.parametrize(
    ("command", "entrypoint", "expected"),
    [((), None, ("/entry", "default")), (("x",), None, ("/entry", "x")), ((), ("/own",), ("/own",)),
     (("x",), ("/own", "-c"), ("/own", "-c", "x")), (("x",), (), ("x",))],
)
def test_command_lines(command: tuple[str, ...], entrypoint: tuple[str, ...] | None, expected: tuple[str, ...]) -> None:
    spec = ContainerSpec(image="i", command=command, entrypoint=entrypoint)
    assert process.arguments(process.merge(spec, _IMAGE)) == expected


def test_there_must_be_a_command() -> None:
    with pytest.raises(InvalidInput, match="No command specified"):
        process.arguments(process.merge(ContainerSpec(image="i"), Defaults()))
    with pytest.raises(CommandNotFound, match='exec: "": executable file not found'):
        process.arguments(process.merge(ContainerSpec(image="i", command=("",)), Defaults()))


def test_the_user_outranks_the_image() -> None:
    spec = ContainerSpec(image="i", env=("A=user", "C=user"), labels={"a": "user"}, user="bob")
    merged = process.merge(spec, _IMAGE)
    assert merged.env == ("A=user", "C=user", "B=image")
    assert merged.labels == {"a": "user", "b": "image"}
    assert (merged.user, merged.workdir, merged.stop_signal) == ("bob", "/srv", "INT")


def test_environments() -> None:
    spec = ContainerSpec(image="i", env=("PATH=/own", "HOSTNAME", "X=a=b"), terminal=True)
    assert process.environment(spec, "ship") == ["PATH=/own", "TERM=xterm", "X=a=b"]
    assert process.environment(ContainerSpec(image="i"), "ship") == [f"PATH={process.DEFAULT_PATH}", "HOSTNAME=ship"]
