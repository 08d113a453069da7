"""Read and change Docker's ``config.json``, other people's members left as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from sampan.errors import InvalidInput, SampanError


class Entry(msgspec.Struct, frozen=True):
    """What ``auths`` holds for one server; all empty where a helper keeps it."""

    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class Config(msgspec.Struct, frozen=True, rename={"creds_store": "credsStore", "cred_helpers": "credHelpers"}):
    """What concerns credentials."""

    auths: dict[str, Entry] = {}
    creds_store: str = ""
    cred_helpers: dict[str, str] = {}


def path(directory: str = "") -> str:
    """Return where the file is: in ``directory``, else $DOCKER_CONFIG, else ``~/.docker``."""
    directory = directory or os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return os.path.join(directory, "config.json")


def load(where: str) -> Config:
    """Read the file; an empty Config when there is none. Raises InvalidInput when it cannot be read or is not valid."""
    return _convert(_read(where), where)


@contextmanager
def edited(where: str) -> Iterator[tuple[Config, dict[str, Any]]]:
    """Open the file to be changed: what it says, and the whole document, which is written on leaving if it changed.

    Written whole or not at all, to where a symbolic link leads, for its owner alone to read. Of several that change
    it at once each sees what the one before wrote. Raises InvalidInput as ``load`` does, SampanError when it cannot be
    written.
    """
    where = os.path.realpath(where)
    with _alone(os.path.dirname(where)):
        document = _read(where)
        before = msgspec.json.encode(document)
        yield _convert(document, where), document
        if msgspec.json.encode(document) != before:
            _write(where, document)


def _read(where: str) -> dict[str, Any]:
    try:
        with open(where, "rb") as file:
            return msgspec.json.decode(file.read() or b"{}", type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidInput(f"cannot read {where}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{where} is not valid: {error}") from error


def _convert(document: dict[str, Any], where: str) -> Config:
    try:
        return msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where} is not valid: {error}") from error


@contextmanager
def _alone(directory: str) -> Iterator[None]:
    """Hold the directory's lock, which leaves no file behind."""
    import fcntl

    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SampanError(f"cannot open {directory}: {(error.strerror or '').lower()}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _write(where: str, document: dict[str, Any]) -> None:
    from json import dumps  # with Docker's tabs

    draft = f"{where}.{os.urandom(6).hex()}"
    try:
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                _give_to_owner(descriptor, where)
                file.write(dumps(document, indent="\t", ensure_ascii=False))
                file.flush()
                os.fsync(descriptor)
            os.rename(draft, where)
        except BaseException:
            if os.path.exists(draft):
                os.unlink(draft)
            raise
    except OSError as error:
        raise SampanError(f"cannot write {where}: {(error.strerror or '').lower()}") from error


def _give_to_owner(descriptor: int, where: str) -> None:
    # Under sudo the file may be another user's, who must be able to read it afterwards.
    try:
        before = os.stat(where)
        os.fchown(descriptor, before.st_uid, before.st_gid)
    except OSError:
        return  # no file yet; or not ours to give away
