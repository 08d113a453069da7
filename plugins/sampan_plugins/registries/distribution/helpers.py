"""Talk to credential helpers: programs ``docker-credential-NAME`` (the docker-credential-helpers protocol)."""

from __future__ import annotations

import msgspec

from sampan.errors import SampanError

TOKEN_USER = "<token>"
"""What stands for the user name when the secret is an identity token."""

_MISSING = "credentials not found"  # the protocol's way to say that it has none


class Entry(msgspec.Struct, frozen=True, rename={"server": "ServerURL", "username": "Username", "secret": "Secret"}):
    """What a helper keeps for one server."""

    username: str = ""
    secret: str = ""
    server: str = ""


class HelperFailure(SampanError):
    """A credential helper is missing, fails, or takes too long."""


class Helper:
    """The helper ``docker-credential-NAME``, given ``timeout`` seconds for each answer."""

    def __init__(self, name: str, timeout: float) -> None:
        self._name = name
        self._program = f"docker-credential-{name}"
        self._timeout = timeout

    def get(self, key: str) -> Entry | None:
        """Return what is kept under a key, None when nothing is. Raises HelperFailure."""
        answer = self._run("get", key.encode())
        if answer is None:
            return None
        try:
            return msgspec.json.decode(answer, type=Entry)
        except msgspec.MsgspecError as error:
            raise HelperFailure(f"credential helper {self._program} gave an answer that is not valid") from error

    def store(self, entry: Entry) -> None:
        """Keep an entry under its server. Raises HelperFailure."""
        if self._run("store", msgspec.json.encode(entry)) is None:
            raise HelperFailure(f"credential helper {self._program} failed: {_MISSING}")

    def erase(self, key: str) -> None:
        """Forget what is kept under a key; nothing there is fine. Raises HelperFailure."""
        self._run("erase", key.encode())

    def _run(self, verb: str, content: bytes) -> bytes | None:
        """Return what the helper prints, None where it says that it keeps no such thing."""
        import subprocess

        program = self._program
        if "/" in self._name:
            raise HelperFailure(f"credential helper {self._name!r} is not a plain name")
        try:
            done = subprocess.run([program, verb], input=content, capture_output=True, timeout=self._timeout)
        except FileNotFoundError as error:
            raise HelperFailure(f"credential helper {program} is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise HelperFailure(f"credential helper {program} did not answer within {self._timeout:g} s") from error
        except OSError as error:
            raise HelperFailure(f"credential helper {program} cannot be run: {error.strerror}") from error
        if done.returncode == 0:
            return done.stdout
        words = " ".join((done.stdout or done.stderr).decode("utf-8", "replace").split())[:200]
        if _MISSING in words:
            return None
        raise HelperFailure(f"credential helper {program} failed: {words}")


def default() -> str:
    """Return the name of the helper to begin with where nothing is configured, empty without one, as Docker does."""
    from shutil import which

    name = "pass" if which("pass") else "secretservice"
    return name if which(f"docker-credential-{name}") else ""
