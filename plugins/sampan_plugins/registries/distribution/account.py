"""Log in to a registry's host: have it accept credentials, then keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.contracts.registry import Account
from sampan.errors import Denied, InvalidInput, Unavailable
from sampan_plugins.registries.distribution import credentials
from sampan_plugins.registries.distribution.auth import Scope
from sampan_plugins.registries.distribution.client import Client
from sampan_plugins.registries.distribution.credentials import Credentials
from sampan_plugins.registries.distribution.transport import drain

if TYPE_CHECKING:
    from sampan_plugins.registries.distribution.endpoints import Endpoint
    from sampan_plugins.registries.distribution.options import Options
    from sampan_plugins.registries.distribution.transport import Transport


class Accounts:
    """What is kept for one host, and how it comes to be kept."""

    def __init__(self, endpoint: Endpoint, transport: Transport, options: Options) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._options = options
        self._place = (options.docker_config, options.helper_timeout)

    def account(self) -> Account:
        """Tell whose credentials are kept, and under which name."""
        host = self._endpoint.host
        found = credentials.look_up(host, *self._place).credentials
        return Account(credentials.key_of(host), found is not None, found.username if found else "")

    def login(self, user: str, password: str) -> str:
        """Keep these credentials, or the identity token they get, once the registry has accepted them.

        Return the file in which they lie unencrypted. Raises Denied when the registry refuses them.
        """
        if ":" in user:
            raise InvalidInput(f"invalid user name {user!r}: it has a colon in it")
        given = Credentials(user, password)
        token = self._prove(given)
        return credentials.keep(
            self._endpoint.host, Credentials(user, identity_token=token) if token else given, *self._place
        )

    def verify(self) -> None:
        """Have the registry accept the credentials kept. Raises Denied when it does not, or there are none."""
        found = credentials.look_up(self._endpoint.host, *self._place)
        if found.credentials is None:
            raise Denied(f"no credentials are kept for {self._endpoint.host}", found.problem or None)
        self._prove(found.credentials)

    def logout(self) -> bool:
        """Forget what is kept; False when nothing is."""
        return credentials.forget(self._endpoint.host, *self._place)

    def _prove(self, given: Credentials) -> str:
        """Ask by these credentials; return the identity token handed out for them, if any was."""
        client = Client(self._endpoint, self._transport, self._options, given)
        try:
            response = client.request("GET", "/v2/", Scope(()))
        except Denied as refused:
            raise Denied(refused.message) from refused  # the remedy it names is to do what is being done
        drain(response)
        if response.status_code != 200:
            kind = Denied if response.status_code in (401, 403) else Unavailable
            status = f"{response.status_code} {response.reason or ''}".rstrip()
            raise kind(f"login attempt to {response.url} failed with status: {status}")
        return client.authorizer.identity_token
