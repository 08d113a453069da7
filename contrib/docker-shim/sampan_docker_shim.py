"""Be a ``docker`` that is Sampan: the same arguments, output and exit codes, and nothing added.

What Sampan has no command for is refused in one line that says what to do instead.
"""

from __future__ import annotations

import sys
from typing import NoReturn

_ELSEWHERE = {
    "build": "build it with buildah or buildkit and load the archive with: docker load",
    "buildx": "build it with buildah or buildkit and load the archive with: docker load",
    "builder": "Sampan keeps no build cache",
    "compose": "start the containers one by one, or use compose with Docker's own engine",
    "context": "there is no daemon to choose",
    "service": "there is no swarm",
    "stack": "there is no swarm",
    "swarm": "there is no swarm",
}
_VALUED = ("--config", "--log-level", "-l", "--root", "--run-root", "--storage-driver", "--registry-driver")


def main() -> NoReturn:
    """Refuse, or be ``sampan``."""
    words = _command(sys.argv[1:])
    if words[:2] == ["image", "build"]:
        words = ["build"]
    if words and words[0] in _ELSEWHERE:
        sys.exit(f"docker: {words[0]} is not supported, this docker is sampan: {_ELSEWHERE[words[0]]}")
    from sampan.cli.main import main as sampan

    sampan()


def _command(arguments: list[str]) -> list[str]:
    """Return the arguments from the command's name on."""
    words = list(arguments)
    while words and words[0].startswith("-"):
        del words[: 2 if words[0] in _VALUED else 1]
    return words
