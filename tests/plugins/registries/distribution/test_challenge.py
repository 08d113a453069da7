from __future__ import annotations

import pytest

from sampan_plugins.registries.distribution.challenge import Challenge, parse


@pytest.mark.parametrize(("header", "expected"), [
    ("", []),
    ("Basic", [("basic", {})]),
    ('Basic realm="a, b"', [("basic", {"realm": "a, b"})]),
    ('BEARER Realm="https://x/t",service=hub,scope="repository:a:pull,push"',
     [("bearer", {"realm": "https://x/t", "service": "hub", "scope": "repository:a:pull,push"})]),
    (r'Basic realm="say \"hi\" \\ "', [("basic", {"realm": 'say "hi" \\ '})]),
    ('Bearer realm="x" , service = "y", Basic realm="z"',
     [("bearer", {"realm": "x", "service": "y"}), ("basic", {"realm": "z"})]),
    ('Negotiate, Basic realm="z"', [("negotiate", {}), ("basic", {"realm": "z"})]),
    ('Negotiate YWJj==, Basic realm="z"', [("negotiate", {}), ("basic", {"realm": "z"})]),
    ('Basic realm="open', [("basic", {}), ]),
    ('"nonsense"', []),
])
def test_parse(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    found = parse(header)
    assert found[: len(expected)] == [Challenge(scheme, parameters) for scheme, parameters in expected]


def test_hostile_headers_take_no_time() -> None:
    for header in ("a=" * 30_000, 'a="' + "\\" * 60_000, "a " * 30_000, "," * 60_000, 'Basic realm="' + "x" * 60_000):
        parse(header)
