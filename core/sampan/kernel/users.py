"""Resolve ``USER[:GROUP]`` against the content of passwd(5) and group(5), by Docker's rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sampan.errors import InvalidInput

_HIGHEST = 2**31 - 1
_RANGE = "uids and gids must be in range 0-2147483647"


class Identity(msgspec.Struct, frozen=True):
    """Whom a process runs as. ``groups`` are the additional ones."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def resolve(who: str, passwd: str, group: str, additional: Iterable[str] = ()) -> Identity:
    """Return the identity ``who`` names: a user's name or id, and after a colon a group's.

    Names must be in the files; ids need not. Without a group it is the user's own, and the additional groups are
    those the user is a member of; with one they are none. ``additional`` are further groups by name or id.
    Raises InvalidInput with Docker's messages.
    """
    user, _, own_group = who.partition(":")
    uid, gid, home, name = _find_user(user or "0", passwd, named=bool(user))
    groups: list[int] = []
    if own_group:
        gid = _find_group(own_group, group)
    elif name:
        groups = [number for number, members, _ in _groups(group) if name in members and number != gid]
    groups += [_find_group(extra, group) for extra in additional]
    return Identity(uid, gid, tuple(dict.fromkeys(groups)), home)


def _find_user(user: str, passwd: str, *, named: bool) -> tuple[int, int, str, str]:
    for fields in _entries(passwd, 6):
        if fields[0] == user or (fields[2] == user and user.isdecimal()):
            return _bounded(fields[2], _RANGE), _bounded(fields[3], _RANGE), fields[5] or "/", fields[0]
    if user.removeprefix("-").isdecimal() and not user.isdecimal():
        raise InvalidInput(_RANGE)
    if not user.isdecimal():
        raise InvalidInput(f"unable to find user {user}: no matching entries in passwd file")
    return _bounded(user, _RANGE), 0, "/", ""


def _find_group(wanted: str, group: str) -> int:
    for number, _, name in _groups(group):
        if wanted in (name, str(number)):
            return number
    if not wanted.isdecimal():
        raise InvalidInput(f"unable to find group {wanted}: no matching entries in group file")
    return _bounded(wanted, _RANGE)


def _groups(content: str) -> Iterator[tuple[int, list[str], str]]:
    for fields in _entries(content, 3):
        yield _bounded(fields[2], _RANGE), fields[3].split(",") if len(fields) > 3 else [], fields[0]


def _entries(content: str, least: int) -> Iterator[list[str]]:
    for line in content.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= least and fields[0] and fields[2].isdecimal():
            yield fields


def _bounded(text: str, complaint: str) -> int:
    """Return the id, in the range where no id means "as before" to setresuid(2) nor wraps to that of root."""
    if not text.isdecimal():
        return 0
    # Of a thousand digits int() would make an error of its own.
    number = int(text) if len(text.lstrip("0")) <= 10 else _HIGHEST + 1
    if number > _HIGHEST:
        raise InvalidInput(complaint)
    return number
