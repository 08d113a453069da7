"""Sampan: a container engine whose every part can be swapped.

``from sampan import Engine`` is the library; ``from sampan import hookimpl`` marks a plugin's hooks.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing for it would cost --version 5 ms
if TYPE_CHECKING:
    from typing import Any

    from sampan.config import Settings
    from sampan.engine import Engine
    from sampan.plugin.markers import hookimpl

__version__ = "0.1.0"
__all__ = ["Engine", "Settings", "__version__", "hookimpl"]

_HOMES = {"Engine": "sampan.engine", "Settings": "sampan.config", "hookimpl": "sampan.plugin.markers"}


def __getattr__(name: str) -> Any:
    # Looked up only when asked for: --version must not pay for the engine, nor a command for unused rooms.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home), name)
