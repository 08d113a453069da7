"""Read the first line of a module's documentation without importing it."""

from __future__ import annotations

import ast
import os
from importlib.machinery import PathFinder
from importlib.util import find_spec


def summary_of(module: str) -> str:
    """Return the first docstring line of ``module`` without its full stop; empty when it cannot be read."""
    try:
        origin = _origin(module)
        if origin is None or not origin.endswith(".py"):
            return ""
        with open(origin, "rb") as file:
            document = ast.get_docstring(ast.parse(file.read())) or ""
    except (OSError, SyntaxError, ValueError, ImportError, AttributeError, RecursionError):
        return ""
    return document.strip().partition("\n")[0].strip().removesuffix(".")


def _origin(module: str) -> str | None:
    # find_spec of a dotted name would import the packages above it, which may be slow, or broken.
    first, *rest = module.split(".")
    spec = find_spec(first)
    for depth, _ in enumerate(rest, start=2):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join(module.split(".")[:depth]), list(spec.submodule_search_locations))
    if spec is None or spec.origin is None or not os.path.isfile(spec.origin):
        return None
    return spec.origin
