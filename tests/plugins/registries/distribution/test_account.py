"""Logging in, at real registries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.faults import fault_proxy
from tests.services.images import push_image
from tests.services.opening import open_repository
from tests.services.registry import PASSWORD, USER, RegistryServer, running_registry
from tests.services.tokens import TokenServer, token_server

from sampan.errors import Denied, InvalidInput, Unavailable
from sampan.testing.registry import LoginSubject, LoginSuite


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("basic"), basic=True) as server:
        yield server


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with token_server(tmp_path_factory.mktemp("tokens"), USER, PASSWORD) as server:
        server.anonymous_pull = False
        yield server


@pytest.fixture(scope="module")
def tokened(tmp_path_factory: pytest.TempPathFactory, tokens: TokenServer) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("registry"), tokens=tokens) as server:
        yield server


def subject(server: RegistryServer, directory: Path) -> LoginSubject:
    return LoginSubject(lambda: open_repository(server.address, docker_config=str(directory)), USER, PASSWORD)


class TestBasic(LoginSuite):
    @pytest.fixture
    def subject(self, guarded: RegistryServer, tmp_path: Path) -> LoginSubject:
        return subject(guarded, tmp_path)


class TestBearer(LoginSuite):
    @pytest.fixture
    def subject(self, tokened: RegistryServer, tmp_path: Path) -> LoginSubject:
        return subject(tokened, tmp_path)


class TestIdentityToken(LoginSuite):
    @pytest.fixture
    def subject(self, tokened: RegistryServer, tokens: TokenServer, tmp_path: Path) -> Iterator[LoginSubject]:
        tokens.lasting = True
        yield subject(tokened, tmp_path)
        tokens.lasting = False


def test_the_identity_token_is_kept_and_used(
    tokened: RegistryServer, tokens: TokenServer, tmp_path: Path, small_image: str
) -> None:
    push_image(small_image, tokened, "identity:1")
    tokens.lasting = True
    try:
        with open_repository(tokened.address, docker_config=str(tmp_path)) as opened:
            opened.login(USER, PASSWORD)
    finally:
        tokens.lasting = False
    assert PASSWORD not in (tmp_path / "config.json").read_text()
    entry = json.loads((tmp_path / "config.json").read_text())["auths"][tokened.address]
    assert entry["identitytoken"] == tokens.identity
    with open_repository(f"{tokened.address}/identity", docker_config=str(tmp_path)) as opened:
        opened.manifest("1")
    method, _, header = tokens.log[-1]
    assert (method, header) == ("POST", "")


def test_messages(guarded: RegistryServer, tokened: RegistryServer, tokens: TokenServer, tmp_path: Path) -> None:
    with open_repository(guarded.address, docker_config=str(tmp_path)) as opened, pytest.raises(Denied) as basic:
        opened.login(USER, "wrong")
    assert str(basic.value) == \
        f"login attempt to http://{guarded.address}/v2/ failed with status: 401 Unauthorized"
    with open_repository(tokened.address, docker_config=str(tmp_path)) as opened, pytest.raises(Denied) as bearer:
        opened.login(USER, "wrong")
    assert str(bearer.value).endswith(f"refuses a token for {tokened.address}: incorrect username or password")
    assert not (tmp_path / "config.json").exists()


def test_a_host_that_is_no_registry(tmp_path: Path) -> None:
    with fault_proxy() as proxy, open_repository(proxy.address, docker_config=str(tmp_path)) as opened:
        with pytest.raises(Unavailable, match="failed with status: 404 Not Found"):
            opened.login(USER, PASSWORD)
        with pytest.raises(InvalidInput, match="colon"):
            opened.login("a:b", PASSWORD)
    with open_repository("127.0.0.1:1", docker_config=str(tmp_path)) as opened, pytest.raises(Unavailable):
        opened.login(USER, PASSWORD)
    assert not (tmp_path / "config.json").exists()


def test_a_registry_that_asks_for_nothing(registry: RegistryServer, tmp_path: Path) -> None:
    with open_repository(registry.address, docker_config=str(tmp_path)) as opened:
        assert opened.login("anyone", "anything") == str(tmp_path / "config.json")
