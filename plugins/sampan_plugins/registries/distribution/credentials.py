"""Keep credentials where Docker keeps them: config.json and credential helpers.

A registry's key is its host with port; Docker Hub's is ``https://index.docker.io/v1/``. A helper named for the host
(``credHelpers``) outranks the general one (``credsStore``), which outranks ``auths``.
"""

from __future__ import annotations

import msgspec

from sampan.errors import InvalidInput
from sampan_plugins.registries.distribution import config_json
from sampan_plugins.registries.distribution.config_json import Config
from sampan_plugins.registries.distribution.helpers import TOKEN_USER, Entry, Helper, HelperFailure, default

HUB_KEY = "https://index.docker.io/v1/"


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
        return "Basic " + self._encoded(self.password)

    @property
    def entry(self) -> dict[str, str]:
        """What config.json holds of them."""
        if self.identity_token:
            return {"auth": self._encoded(""), "identitytoken": self.identity_token}
        return {"auth": self._encoded(self.password)}

    def _encoded(self, password: str) -> str:
        import base64

        return base64.b64encode(f"{self.username}:{password}".encode()).decode()


class Found(msgspec.Struct, frozen=True):
    """What a look-up came to: credentials or None, and what went wrong with a helper, if anything did."""

    credentials: Credentials | None = None
    problem: str = ""


def key_of(host: str) -> str:
    """Return the key credentials for a registry host are kept under."""
    return HUB_KEY if host == "docker.io" else host


def look_up(host: str, directory: str = "", helper_timeout: float = 10.0) -> Found:
    """Return the credentials for a registry host. ``directory`` defaults to $DOCKER_CONFIG, then ``~/.docker``.

    A helper that is missing, fails or takes too long is a Found with ``problem``: an anonymous request may do.
    Raises InvalidInput when config.json cannot be read or is not valid.
    """
    config = config_json.load(config_json.path(directory))
    found = _ask(Helper(name, helper_timeout), host) if (name := _helper(config, host)) else Found()
    if found.credentials is None and (entry := _entry(config, host)):
        return Found(_decode(entry, host), found.problem)
    return found


def keep(host: str, known: Credentials, directory: str = "", helper_timeout: float = 10.0) -> str:
    """Keep credentials for a host; return the file in which they lie unencrypted, empty where a helper has them.

    Raises InvalidInput when config.json makes no sense, SampanError when it or the helper cannot take them.
    """
    where = config_json.path(directory)
    with config_json.edited(where) as (config, document):
        name = _helper(config, host)
        if not (name or config.auths or config.cred_helpers) and (name := default()):
            document["credsStore"] = name
        if name:
            secret = (TOKEN_USER, known.identity_token) if known.identity_token else (known.username, known.password)
            Helper(name, helper_timeout).store(Entry(*secret, key_of(host)))
        # An empty entry tells other programs that the helper has something for this host.
        document.setdefault("auths", {})[key_of(host)] = {} if name else known.entry
    return "" if name else where


def forget(host: str, directory: str = "", helper_timeout: float = 10.0) -> bool:
    """Drop the credentials kept for a host; False when there are none.

    Raises InvalidInput when config.json makes no sense, SampanError when it or the helper cannot let go of them.
    """
    with config_json.edited(config_json.path(directory)) as (config, document):
        names = _names(config, host)
        if helper := _helper(config, host):
            names += _erase(Helper(helper, helper_timeout), [key_of(host), *names])
        for name in names:
            document["auths"].pop(name, None)
    return bool(names)


def _erase(helper: Helper, keys: list[str]) -> list[str]:
    """Erase what is there under these keys; return them."""
    held = [key for key in dict.fromkeys(keys) if helper.get(key) is not None]
    for key in held:
        helper.erase(key)
    return held


def _helper(config: Config, host: str) -> str:
    return config.cred_helpers.get(key_of(host)) or config.cred_helpers.get(host) or config.creds_store


def _names(config: Config, host: str) -> list[str]:
    """Return the names a host has in ``auths``, the one it should have first."""
    wanted = _host_part(key_of(host))
    names = [name for name in config.auths if _host_part(name) == wanted]
    return sorted(names, key=lambda name: name != key_of(host))


def _entry(config: Config, host: str) -> config_json.Entry | None:
    return next((config.auths[name] for name in _names(config, host)), None)


def _host_part(key: str) -> str:
    # Old entries are whole addresses: https://registry.example/v1/
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _decode(entry: config_json.Entry, host: str) -> Credentials | None:
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


def _ask(helper: Helper, host: str) -> Found:
    try:
        answer = helper.get(key_of(host))
    except HelperFailure as failure:
        return Found(problem=failure.message)
    if answer is None or not answer.username:
        return Found()
    if answer.username == TOKEN_USER:
        return Found(Credentials(identity_token=answer.secret))
    return Found(Credentials(answer.username, answer.secret))
