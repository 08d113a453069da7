"""Give a command what it works with: the settings, the plugins and the engine, each made when first asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sampan.config import Settings
    from sampan.engine import Engine
    from sampan.plugin.manager import Plugins


class Context:
    """One invocation of the command line. ``failure`` is the exit code of a command that fails for no better reason."""

    def __init__(self, plugins: Plugins, *, debug: bool = False) -> None:
        self.plugins = plugins
        self.debug = debug
        self.failure = 1
        self.loaded: set[str] = set()
        """The modules that monitors of containers loaded beyond ours."""
        self._engine: Engine | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.plugins.settings

    @property
    def engine(self) -> Engine:
        """The engine on those settings."""
        if self._engine is None:
            from sampan.engine import Engine

            self._engine = Engine(self.settings, self.plugins, brief=True)
            self._engine.loaded = self.loaded
        return self._engine

    def close(self) -> None:
        """Close the engine if there is one."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def warn(message: str) -> None:
    """Print a warning on standard error."""
    sys.stdout.flush()
    sys.stderr.write(f"WARNING: {message}\n")


pass_context = click.make_pass_decorator(Context)
"""Decorate a command whose first parameter is the Context."""
