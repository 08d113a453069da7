"""Settle the security options that go on a container's record."""

from __future__ import annotations

from sampan.engine import confinement
from sampan.errors import InvalidInput, Unsupported


def settle(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options with a profile's content in place of its file's name, all of them understood.

    Raises InvalidInput, and Unsupported for what this engine cannot apply: a container that asked for confinement
    it does not get must not start.
    """
    settled = tuple(map(_with_content, options))
    security = confinement.parse_security(settled)
    if security.seccomp:
        security.filter([])
    if security.apparmor not in ("", "unconfined"):
        raise Unsupported(f"AppArmor profile {security.apparmor!r}: profiles are not supported yet")
    return settled


def _with_content(option: str) -> str:
    key, _, value = option.partition("=") if "=" in option else option.partition(":")
    if key != "seccomp" or value in ("unconfined", "builtin", "") or value.lstrip().startswith("{"):
        return option
    try:
        with open(value, encoding="utf-8") as file:
            return f"seccomp={file.read()}"
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InvalidInput(f"opening seccomp profile ({value}) failed: open {value}: {reason}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the seccomp profile {value} is not text") from error
