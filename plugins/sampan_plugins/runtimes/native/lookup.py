"""Find the command to run, with Docker's words when it cannot be."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from sampan.errors import CommandNotExecutable, CommandNotFound


def find(name: str, env: Sequence[str]) -> str:
    """Return the path of the command as execvp(3) would find it on the PATH in ``env``.

    Raises CommandNotFound and CommandNotExecutable.
    """
    if "/" in name:
        _check(name, name)
        return name
    search = next((item[5:] for item in reversed(env) if item.startswith("PATH=")), "")
    for directory in search.split(":") if search else ():
        path = f"{directory or '.'}/{name}"
        try:
            _check(path, name)
        except (CommandNotFound, CommandNotExecutable):
            continue
        return path
    raise CommandNotFound(f'exec: "{name}": executable file not found in $PATH')


def _check(path: str, name: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        raise CommandNotExecutable(f'exec: "{name}": stat {path}: permission denied') from None
    except NotADirectoryError:
        raise CommandNotExecutable(f'exec: "{name}": stat {path}: not a directory') from None
    except OSError as error:
        raise CommandNotFound(f'exec: "{name}": stat {path}: {(error.strerror or "").lower()}') from None
    if stat.S_ISDIR(mode):
        raise CommandNotExecutable(f'exec: "{name}": is a directory')
    if not mode & 0o111:
        raise CommandNotExecutable(f'exec: "{name}": permission denied')


def failed(path: str, error: OSError) -> CommandNotFound | CommandNotExecutable:
    """Return what a failed execve(2) of a command that was found means."""
    message = f"exec {path}: {(error.strerror or '').lower()}"
    if isinstance(error, FileNotFoundError):
        return CommandNotFound(message, "the interpreter it names, or the loader it needs, is missing")
    return CommandNotExecutable(message)
