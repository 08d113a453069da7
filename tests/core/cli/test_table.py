"""Test listings against what docker 28 printed."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.cli.table import align, listing
from sampan.errors import InvalidInput

HEADERS = {"ID": "CONTAINER ID", "Image": "IMAGE", "Names": "NAMES", "Ports": "PORTS", "Labels": "LABELS"}
COLUMNS = ["ID", "Image", "Ports", "Names"]
ROW: dict[str, Any] = {
    "ID": "90f32aca2d7c", "Image": "bb:1", "Ports": "", "Names": "gtchk", "Labels": "a.b=<x>&y",
    "Label": lambda name: {"a.b": "<x>&y"}.get(name, ""),
}  # fmt: skip


def lines(form: str = "", *rows: dict[str, Any], quiet: str = "") -> list[str]:
    return listing(
        rows or [ROW], HEADERS, COLUMNS, form, quiet=quiet, kind="container",
        blame=("failed to parse template", "failed to execute template"),
    )


@pytest.mark.parametrize("form", ["", "table"])
def test_the_plain_table(form: str) -> None:
    assert lines(form) == ["CONTAINER ID   IMAGE     PORTS     NAMES", "90f32aca2d7c   bb:1                gtchk"]


def test_an_empty_table_has_its_header() -> None:
    assert listing([], HEADERS, COLUMNS) == ["CONTAINER ID   IMAGE     PORTS     NAMES"]
    assert listing([], HEADERS, COLUMNS, "json") == []


def test_a_table_of_one_s_own() -> None:
    assert lines(r'table {{upper .ID}}\t{{.Names}}\t{{json .Image}}\t{{.Label "a.b"}}') == [
        "CONTAINER ID   NAMES     IMAGE     b",
        "90F32ACA2D7C   gtchk     \"bb:1\"    <x>&y",
    ]


def test_json_and_templates() -> None:
    assert lines("json") == [
        '{"ID":"90f32aca2d7c","Image":"bb:1","Labels":"a.b=\\u003cx\\u003e\\u0026y","Names":"gtchk","Ports":""}'
    ]
    assert lines(r"{{.ID}}\t{{.Names}}\n") == ["90f32aca2d7c\tgtchk", ""]
    assert lines(quiet="ID") == ["90f32aca2d7c"]


def test_wrong_templates() -> None:
    with pytest.raises(InvalidInput, match=r"^failed to parse template: template: :1: unclosed action"):
        lines("{{.ID")
    with pytest.raises(InvalidInput, match=r"^failed to execute template: template: :1:2: .* Foo in type container"):
        lines("{{.Foo}}")
    with pytest.raises(InvalidInput, match="field Foo"):
        listing([], HEADERS, COLUMNS, "table {{.Foo}}")


def test_align() -> None:
    assert align(["a\tb\tc", "a long cell\t\td"]) == ["a             b         c", "a long cell             d"]
    assert align(["x"]) == ["x"]
