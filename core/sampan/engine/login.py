"""Log in to registries and out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.contracts.registry import Authenticates
from sampan.errors import Unsupported
from sampan.model.reference import parse_host

if TYPE_CHECKING:
    from sampan.contracts.registry import Account
    from sampan.engine.engine import Engine


def account(engine: Engine, server: str) -> Account:
    """Tell what credentials are kept for a server; empty: Docker Hub."""
    with _opened(engine, server) as registry:
        return registry.account()


def login(engine: Engine, server: str, user: str, password: str) -> str:
    """Keep a server's credentials once it has accepted them; without any given, ask whether it accepts those kept.

    Returns the file in which they were written unencrypted, if they were. Raises Denied, and then keeps nothing.
    """
    with _opened(engine, server) as registry:
        if user or password:
            return registry.login(user, password)
        registry.verify()
        return ""


def logout(engine: Engine, server: str) -> bool:
    """Forget a server's credentials; False when none are kept."""
    with _opened(engine, server) as registry:
        return registry.logout()


@contextmanager
def _opened(engine: Engine, server: str) -> Iterator[Authenticates]:
    host = parse_host(server)
    with engine.registry(host) as registry:
        if not isinstance(registry, Authenticates):
            raise Unsupported(f"the registry client {engine.registry_name(host)} keeps no credentials for {host}")
        yield registry
