"""Tests of what a container's log keeps with every line."""

from __future__ import annotations

import json

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import InvalidInput

_SPEC = {"labels": {"a": "x <y", "b": "2", "com.x": "1"}, "env": ("E=v1", "F=2", "G"), "name": "named"}


@pytest.mark.parametrize(("options", "kept"), [
    ({"labels": "a,nosuch", "env": "E,G"}, {"a": "x <y", "E": "v1"}),
    ({"labels-regex": "^com", "env-regex": "F|G"}, {"com.x": "1", "F": "2"}),
    ({"tag": "{{.Name}}/{{ .ImageName }}"}, {"tag": "named/bb:1"}),
    ({"labels": "nosuch"}, None),
    ({"max-size": "1m"}, None),
])  # fmt: skip
def test_what_options_name_is_kept(bench: Bench, options: dict[str, str], kept: dict[str, str] | None) -> None:
    code, _ = bench.run("echo", "x", log_options=options, **_SPEC)
    assert code == 0
    assert [entry.attributes for entry in bench.engine.logs("named")] == [kept]
    place = bench.engine.layout.container(bench.engine.container("named").id)
    with open(f"{place}/{bench.engine.container('named').id}-json.log") as file:
        line = file.read()
    assert json.loads(line).get("attrs") == kept and "<" not in line


@pytest.mark.parametrize(("options", "message"), [
    ({"tag": "{{.Foo}}"}, "there is no Foo"),
    ({"labels-regex": "["}, "labels-regex"),
    ({"colour": "red"}, "unknown log opt 'colour'"),
])
def test_what_makes_no_sense(bench: Bench, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        bench.start("true", log_options=options)
