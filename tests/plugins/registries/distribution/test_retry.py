from __future__ import annotations

import time

import pytest

from sampan_plugins.registries.distribution.retry import Backoff, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(("value", "seconds"), [
    (None, None), ("", None), ("7", 7.0), (" 7 ", 7.0), ("soon", None), ("-1", None),
    ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0), ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0), ("Tue, 99 Nov 2023", None),
])
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_backoff_ends_and_starts_anew_with_progress() -> None:
    backoff = Backoff(2, 0.001, 1)
    assert [backoff.wait(), backoff.wait(), backoff.wait()] == [True, True, False]
    backoff.progressed()
    assert backoff.wait()


def test_backoff_waits_as_asked_within_bounds() -> None:
    backoff, start = Backoff(3, 0.0, 0.2), time.monotonic()
    assert backoff.wait(0.1)
    assert time.monotonic() - start >= 0.1
    assert not backoff.wait(0.3)
