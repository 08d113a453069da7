"""What a plugin tells of itself, without its driver being loaded."""

from __future__ import annotations

import msgspec


class Option(msgspec.Struct, frozen=True):
    """One key of the plugin's table in the configuration, its default as text, and what it does."""

    name: str
    default: str
    summary: str


class PluginInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What ``plugin inspect`` shows: one line, the options, and capabilities by name."""

    summary: str
    options: tuple[Option, ...] = ()
    capabilities: dict[str, str] = {}
