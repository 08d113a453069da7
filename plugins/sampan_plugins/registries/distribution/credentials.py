"""Look up credentials where ``docker login`` keeps them: config.json and credential helpers.

A registry's key is its host with port; Docker Hub's is ``https://index.docker.io/v1/``. A helper named for the host
(``credHelpers``) outranks the general one (``credsStore``), which outranks ``auths``.
"""

from __future__ import annotations

import os

import msgspec

from sampan.errors import InvalidInput

HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # what helpers put for the user name when the secret is an identity token


class Credentials(msgspec.Struct, frozen=True):
    """A user name and password, or an identity token (an OAuth2 refresh token)."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"  # secrets stay out of logs and tracebacks

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header (RFC 7617)."""
        import base64

        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Found(msgspec.Struct, frozen=True):
    """What a look-up came to: credentials or None, and what went wrong with a helper, if anything did."""

    credentials: Credentials | None = None
    problem: str = ""


class _Entry(msgspec.Struct, frozen=True):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _Config(msgspec.Struct, frozen=True, rename={"creds_store": "credsStore", "cred_helpers": "credHelpers"}):
    auths: dict[str, _Entry] = {}
    creds_store: str = ""
    cred_helpers: dict[str, str] = {}


class _Answer(msgspec.Struct, frozen=True, rename="pascal"):
    username: str = ""
    secret: str = ""


def key_of(host: str) -> str:
    """Return the key credentials for a registry host are kept under."""
    return HUB_KEY if host == "docker.io" else host


def look_up(host: str, directory: str = "", helper_timeout: float = 10.0) -> Found:
    """Return the credentials for a registry host. ``directory`` defaults to $DOCKER_CONFIG, then ``~/.docker``.

    A helper that is missing, fails or takes too long is a Found with ``problem``: an anonymous request may do.
    Raises InvalidInput when config.json cannot be read or is not valid.
    """
    directory = directory or os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    config = _load(os.path.join(directory, "config.json"))
    key = key_of(host)
    helper = config.cred_helpers.get(key) or config.cred_helpers.get(host) or config.creds_store
    found = _ask(helper, key, helper_timeout) if helper else Found()
    if found.credentials is None and (entry := _entry(config, key)):
        return Found(_decode(entry, host), found.problem)
    return found


def _load(path: str) -> _Config:
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=_Config)
    except FileNotFoundError:
        return _Config()
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not valid: {error}") from error


def _entry(config: _Config, key: str) -> _Entry | None:
    if exact := config.auths.get(key):
        return exact
    wanted = _host_part(key)
    return next((entry for name, entry in config.auths.items() if _host_part(name) == wanted), None)


def _host_part(key: str) -> str:
    # Old entries are whole addresses: https://registry.example/v1/
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _decode(entry: _Entry, host: str) -> Credentials | None:
    import base64
    import binascii

    username, password = entry.username, entry.password
    if entry.auth:
        try:
            username, _, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidInput(f"the credentials kept for {host} are not valid base64",
                               f"sampan login {host} writes them anew") from error
        password = password.rstrip("\0")
    if not (username or entry.identitytoken):
        return None
    return Credentials(username, password, entry.identitytoken)


def _ask(helper: str, key: str, timeout: float) -> Found:
    """Run ``docker-credential-HELPER get`` (the docker-credential-helpers protocol)."""
    import subprocess

    program = f"docker-credential-{helper}"
    if "/" in helper:
        return Found(problem=f"credential helper {helper!r} is not a plain name")
    try:
        done = subprocess.run([program, "get"], input=key.encode(), capture_output=True, timeout=timeout)
    except FileNotFoundError:
        return Found(problem=f"credential helper {program} is not installed")
    except subprocess.TimeoutExpired:
        return Found(problem=f"credential helper {program} did not answer within {timeout:g} s")
    except OSError as error:
        return Found(problem=f"credential helper {program} cannot be run: {error.strerror}")
    if done.returncode:
        words = " ".join((done.stdout or done.stderr).decode("utf-8", "replace").split())[:200]
        missing = "credentials not found" in words  # the protocol's way to say that it has none
        return Found(problem="" if missing else f"credential helper {program} failed: {words}")
    try:
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.MsgspecError:
        return Found(problem=f"credential helper {program} gave an answer that is not valid")
    if answer.username == _TOKEN_USER:
        return Found(Credentials(identity_token=answer.secret))
    return Found(Credentials(answer.username, answer.secret) if answer.username else None)
