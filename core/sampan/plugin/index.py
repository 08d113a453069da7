"""Keep what discovery found, so that the usual start needs neither stevedore nor importlib.metadata.

Scanning the metadata of every installed package costs 50 ms and more; this index loads in a tenth of one. It is
valid for one ``sys.path`` while the modification times of the directories on it (which installing, upgrading and
removing a package change) and of the entry-point files that matter are what they were.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from zlib import crc32

import msgspec

_SETTLED = 50_000_000  # ns: a directory changed later than this before the scan may change again unnoticed
_KEPT = 16


class Claim(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A distribution's claim to a name in a slot. ``target`` is ``module`` or ``module:object``."""

    slot: str
    name: str
    target: str
    distribution: str
    version: str
    summary: str = ""

    @property
    def module(self) -> str:
        """The module that ``target`` is, or is in."""
        return self.target.partition(":")[0].strip()

    @property
    def label(self) -> str:
        """How messages name it: ``storage/foo (dist 1.0)``."""
        return f"{self.slot}/{self.name} ({self.distribution} {self.version})"


class _Stamp(msgspec.Struct, frozen=True, array_like=True):
    path: str
    time: int
    size: int


class Index(msgspec.Struct, frozen=True, array_like=True):
    """What was found, and the state of the file system it was found in."""

    interpreter: str
    paths: tuple[_Stamp, ...]
    files: tuple[_Stamp, ...]
    claims: tuple[Claim, ...]

    def holds(self, paths: tuple[_Stamp, ...]) -> bool:
        """Tell whether it was made by this interpreter and nothing it was made from has changed."""
        return (
            self.interpreter == _interpreter()
            and self.paths == paths
            and self.files == _stamps(stamp.path for stamp in self.files)
        )


def load(environ: Mapping[str, str] = os.environ) -> tuple[Claim, ...]:
    """Return every claim installed, from the index when it is valid, else by discovery, renewing the index.

    Discovery never fails for want of a place to keep the index: then the next start is slow as well.
    """
    paths = _stamps(path or os.getcwd() for path in sys.path)
    place = _place(paths, environ)
    known = _read(place)
    if known and known.holds(paths):
        return known.claims
    from sampan.plugin.discovery import discover

    started = time.time_ns()
    claims, files = discover()
    found = Index(_interpreter(), paths, _stamps(files), claims)
    if all(stamp.time < started - _SETTLED for stamp in (*found.paths, *found.files)):
        _write(place, found)
    return claims


def directory(environ: Mapping[str, str]) -> str:
    """Return where indexes are kept: ``SAMPAN_CACHE_DIR``, else the system's or the user's cache directory."""
    if chosen := environ.get("SAMPAN_CACHE_DIR"):
        return chosen
    if os.geteuid() == 0:
        return "/var/cache/sampan"
    home = environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "sampan")


def _interpreter() -> str:
    return f"{sys.implementation.cache_tag} {sys.prefix}"


def _stamps(paths: Iterable[str]) -> tuple[_Stamp, ...]:
    return tuple(_stamp(path) for path in paths)


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return _Stamp(path, 0, 0)
    return _Stamp(path, status.st_mtime_ns, status.st_size)


def _place(paths: tuple[_Stamp, ...], environ: Mapping[str, str]) -> str:
    words = "\0".join((_interpreter(), *(stamp.path for stamp in paths)))
    return os.path.join(directory(environ), f"plugins-{crc32(words.encode(errors='surrogateescape')):08x}.json")


def _read(place: str) -> Index | None:
    try:
        if not _private(os.lstat(os.path.dirname(place))):
            return None
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(handle)
        if not _private(status):
            return None
        return msgspec.json.decode(os.read(handle, status.st_size + 1), type=Index)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    finally:
        os.close(handle)


def _private(status: os.stat_result) -> bool:
    # The index names code to run: one that another user could have written is no index.
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _write(place: str, index: Index) -> None:
    where = os.path.dirname(place)
    draft = f"{place}.{os.getpid()}"
    try:
        os.makedirs(where, mode=0o700, exist_ok=True)
        if not _private(os.lstat(where)):
            return
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(msgspec.json.encode(index))
            os.replace(draft, place)
        except BaseException:
            os.unlink(draft)
            raise
        _prune(where)
    except (OSError, UnicodeEncodeError):
        return


def _prune(where: str) -> None:
    # One index per sys.path, and python -c adds the working directory to it: keep those last written.
    names = [os.path.join(where, name) for name in os.listdir(where) if name.startswith("plugins-")]
    for name in sorted(names, key=os.path.getmtime)[:-_KEPT]:
        os.unlink(name)
