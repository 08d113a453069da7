"""The two markers: ``hookimpl`` is public, ``hookspec`` is for the hookspecs room."""

from __future__ import annotations

import pluggy

hookimpl = pluggy.HookimplMarker("sampan")
hookspec = pluggy.HookspecMarker("sampan")
