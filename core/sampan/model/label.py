"""Match labels, as the filters of listings and prunes do."""

from __future__ import annotations

from collections.abc import Mapping


def fits(labels: Mapping[str, str], wanted: str) -> bool:
    """Tell whether there is the label ``key``, or ``key=value``."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
