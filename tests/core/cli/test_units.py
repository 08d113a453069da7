"""Test sizes, durations and moments."""

from __future__ import annotations

import pytest

from sampan.cli import units
from sampan.errors import InvalidInput


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (95, "95B"), (999, "999B"), (1230, "1.23kB"), (58_500_000, "58.5MB"),
     (4_860_000, "4.86MB"), (10**12, "1TB")],
)
def test_human_size(size: int, text: str) -> None:
    assert units.human_size(size) == text


def test_binary_size() -> None:
    assert units.binary_size(3 << 29) == "1.5GiB"
    assert units.binary_size(0) == "0B"


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", 512 << 20), ("1.5GiB", 3 << 29), ("64kb", 65536), ("1024", 1024), ("1T", 1 << 40),
     ("10 MB", 10 << 20), ("7b", 7)],
)
def test_parse_memory(text: str, size: int) -> None:
    assert units.parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "x", "1x", "-1", "1ki", "k", "1.2.3"])
def test_bad_memory(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid size"):
        units.parse_memory(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (300, "5 minutes"),
        (3600, "About an hour"), (3 * 3600, "3 hours"), (48 * 3600, "2 days"), (28 * 86400, "4 weeks"),
        (150 * 86400, "5 months"), (730 * 86400, "2 years"),
    ],
)  # fmt: skip
def test_human_duration(seconds: float, text: str) -> None:
    assert units.human_duration(seconds) == text


def test_status() -> None:
    assert units.status("running", 100, 0, 0, 117) == "Up 17 seconds"
    assert units.status("exited", 1, 100, 0, 280) == "Exited (0) 3 minutes ago"
    assert units.status("created", 0, 0, 0) == "Created"


@pytest.mark.parametrize(("text", "value"),
    [("1h30m", 5400 * 10**9), ("-1.5s", -15 * 10**8), ("100ms", 10**8), ("0", 0)])
def test_durations(text: str, value: int) -> None:
    assert units.parse_duration(text) == value


@pytest.mark.parametrize("text", ["", "1", "h", "1h2", "--1s", "1 h"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid duration"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0s"), (5400 * 10**9, "1h30m0s"), (10**8, "100ms"), (1500, "1.5µs"), (15 * 10**8, "1.5s")]
)
def test_format_duration(value: int, text: str) -> None:
    assert units.format_duration(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1700000000", 1700000000 * 10**9),
        ("1700000000.000000001", 1700000000 * 10**9 + 1),
        ("2023-11-14T22:13:20Z", 1700000000 * 10**9),
        ("2023-11-14T23:13:20.000000001+01:00", 1700000000 * 10**9 + 1),
        ("10s", 90 * 10**9),
    ],
)
def test_moments(text: str, value: int) -> None:
    assert units.parse_moment(text, now=100) == value


@pytest.mark.parametrize("text", ["", "x", "2023-13-01", "2023-02-30T00:00:00Z"])
def test_bad_moments(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid value for time"):
        units.parse_moment(text)


def test_format_moment() -> None:
    assert units.format_moment(0) == "0001-01-01T00:00:00Z"
    assert units.format_moment(1700000000.25) == "2023-11-14T22:13:20.25Z"
    assert units.format_moment(1700000000 * 10**9 + 1, nanoseconds=True) == "2023-11-14T22:13:20.000000001Z"
    assert units.format_moment(1700000000.0, padded=True) == "2023-11-14T22:13:20.000000000Z"
