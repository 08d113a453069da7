"""Credentials: accepted by real registries, and never sent where they do not belong."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.services.faults import fault_proxy
from tests.services.images import push_image
from tests.services.opening import open_repository
from tests.services.registry import PASSWORD, USER, RegistryServer, running_registry
from tests.services.tokens import TokenServer, token_server

from sampan.errors import Corrupt, Denied, Unavailable
from sampan.model import digest as digests
from sampan.model.descriptor import Descriptor
from sampan.model.image import Manifest, decode
from sampan_plugins.registries.distribution.driver import DistributionRegistry


def log_in(directory: Path, host: str, password: str = PASSWORD, **more: str) -> str:
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth, **more}}}))
    return str(directory)


def pull(opened: DistributionRegistry) -> bytes:
    config = decode(opened.manifest("1").content, Manifest, "manifest").config
    with opened.blob(config) as chunks:
        return b"".join(chunks)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, small_image: str) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("basic"), basic=True) as server:
        push_image(small_image, server, "private:1")
        yield server


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    (tmp_path / "tokens").mkdir()
    with token_server(tmp_path / "tokens", USER, PASSWORD) as server:
        yield server


@pytest.fixture
def tokened(tmp_path: Path, tokens: TokenServer, small_image: str) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "registry", tokens=tokens) as server:
        push_image(small_image, server, "library/image:1")
        tokens.log.clear()
        yield server


def test_basic(guarded: RegistryServer, tmp_path: Path) -> None:
    with open_repository(f"{guarded.address}/private", docker_config=log_in(tmp_path, guarded.address)) as opened:
        assert json.loads(pull(opened))["os"] == "linux"


def test_basic_without_credentials(guarded: RegistryServer) -> None:
    with open_repository(f"{guarded.address}/private") as opened, pytest.raises(Denied) as caught:
        opened.manifest("1")
    assert caught.value.message.startswith(f"pull access denied for {guarded.address}/private, "
                                           "repository does not exist or may require authentication")
    assert caught.value.hint == f"sampan login {guarded.address}"


def test_basic_with_wrong_password(guarded: RegistryServer, tmp_path: Path) -> None:
    directory = log_in(tmp_path, guarded.address, "wrong")
    with open_repository(f"{guarded.address}/private", docker_config=directory) as opened, pytest.raises(Denied):
        opened.manifest("1")


def test_basic_is_asked_for_once(guarded: RegistryServer, tmp_path: Path) -> None:
    with fault_proxy(guarded.address) as proxy:
        with open_repository(f"{proxy.address}/private", docker_config=log_in(tmp_path, proxy.address)) as opened:
            pull(opened)
        assert ["Authorization" in request.headers for request in proxy.seen("GET")] == [False, True, True]


def test_credential_helper(guarded: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-test"
    answer = json.dumps({"ServerURL": guarded.address, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {guarded.address} ] && echo '{answer}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {guarded.address: "test"}}))
    with open_repository(f"{guarded.address}/private", docker_config=str(tmp_path)) as opened:
        pull(opened)


def test_anonymous_token(tokened: RegistryServer, tokens: TokenServer) -> None:
    with open_repository(f"{tokened.address}/library/image") as opened:
        pull(opened)
    [(method, query, header)] = tokens.log  # one token serves all requests of one scope
    assert (method, query["scope"], header) == ("GET", ["repository:library/image:pull"], "")


def test_token_for_credentials(tokened: RegistryServer, tokens: TokenServer, tmp_path: Path) -> None:
    tokens.anonymous_pull = False
    with open_repository(f"{tokened.address}/library/image") as opened, pytest.raises(Denied, match="pull access"):
        pull(opened)
    directory = log_in(tmp_path, tokened.address)
    with open_repository(f"{tokened.address}/library/image", docker_config=directory) as opened:
        pull(opened)
    assert tokens.log[-1][2].startswith("Basic ")


def test_token_refused(tokened: RegistryServer, tmp_path: Path) -> None:
    directory = log_in(tmp_path, tokened.address, "wrong")
    opened = open_repository(f"{tokened.address}/library/image", docker_config=directory)
    with opened, pytest.raises(Denied, match="incorrect username or password"):
        opened.manifest("1")


def test_identity_token(tokened: RegistryServer, tokens: TokenServer, tmp_path: Path) -> None:
    tokens.anonymous_pull = False
    directory = log_in(tmp_path, tokened.address, "unused", identitytoken=tokens.identity)
    with open_repository(f"{tokened.address}/library/image", docker_config=directory) as opened:
        pull(opened)
    [(method, form, header)] = tokens.log
    assert (method, form["grant_type"], header) == ("POST", ["refresh_token"], "")


def test_expired_tokens_are_renewed(tokened: RegistryServer, tokens: TokenServer) -> None:
    tokens.life = 0
    with open_repository(f"{tokened.address}/library/image") as opened:
        opened.manifest("1")
        tokens.life = 300
        opened.manifest("1")
    assert len(tokens.log) >= 2


def test_push_by_token(tokened: RegistryServer, tokens: TokenServer, tmp_path: Path) -> None:
    content = b"pushed"
    descriptor = Descriptor("application/octet-stream", digests.of(content), len(content))
    directory = log_in(tmp_path, tokened.address)
    with open_repository(f"{tokened.address}/library/image", docker_config=directory) as opened:
        opened.put_blob(descriptor, io.BytesIO(content))
        assert opened.has_blob(descriptor.digest)
    with open_repository(f"{tokened.address}/other", docker_config=directory) as opened:
        assert opened.mount_blob(descriptor.digest, "library/image")


def test_redirects_carry_no_credentials_away(guarded: RegistryServer, tmp_path: Path) -> None:
    with fault_proxy(guarded.address) as proxy, fault_proxy() as thief:
        # The thief asks for credentials too, by the very same realm.
        thief.fault("GET", times=9, status=401, headers={"WWW-Authenticate": 'Basic realm="test"'})
        directory = log_in(tmp_path, proxy.address)
        with open_repository(f"{proxy.address}/private", docker_config=directory) as opened:
            config = decode(opened.manifest("1").content, Manifest, "manifest").config
            proxy.fault("blobs", status=307, headers={"Location": f"http://{thief.address}/blob"})
            with pytest.raises(Unavailable, match="answers 401"), opened.blob(config):
                pass
        assert "Authorization" in proxy.seen("blobs")[0].headers
        assert [request.headers.get("Authorization") for request in thief.requests] == [None]


def test_mirrors_get_no_credentials_of_the_host(guarded: RegistryServer, tmp_path: Path) -> None:
    with fault_proxy() as mirror:
        mirror.fault("GET", times=9, status=401, headers={"WWW-Authenticate": 'Basic realm="test"'})
        directory = log_in(tmp_path, guarded.address)
        mirrors = (f"http://{mirror.address}",)
        with open_repository(f"{guarded.address}/private", docker_config=directory, mirrors=mirrors) as opened:
            pull(opened)
        assert mirror.requests
        assert not [request for request in mirror.requests if "Authorization" in request.headers]


def test_credentials_go_to_no_token_server_in_the_clear(tmp_path: Path, tokens: TokenServer) -> None:
    from sampan_plugins.registries.distribution.auth import Authorizer, Scope
    from sampan_plugins.registries.distribution.credentials import Credentials, Found

    authorizer = Authorizer("registry.example", True, lambda: Found(Credentials(USER, PASSWORD)), None)  # type: ignore[arg-type]
    with pytest.raises(Denied, match="in the clear"):
        authorizer.answer(f'Bearer realm="{tokens.realm}"', Scope(("repository:x:pull",)), None)
    assert not tokens.log


def test_netrc_is_not_read(guarded: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password netrc-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with fault_proxy(guarded.address) as proxy, open_repository(f"{proxy.address}/private") as opened:
        with pytest.raises(Denied):
            opened.manifest("1")
        assert not [request for request in proxy.requests if "Authorization" in request.headers]


def test_threads_share_one_token(tokened: RegistryServer, tokens: TokenServer) -> None:
    with open_repository(f"{tokened.address}/library/image") as opened, ThreadPoolExecutor(8) as pool:
        assert len({found.content for found in pool.map(opened.manifest, ["1"] * 16)}) == 1
    assert len(tokens.log) == 1


def test_token_refused_to_the_anonymous_is_access_denied(tmp_path: Path) -> None:
    with fault_proxy() as proxy:
        challenge = f'Bearer realm="http://{proxy.address}/token",service="x"'
        proxy.fault("GET /v2/", times=9, status=401, headers={"WWW-Authenticate": challenge})
        proxy.fault("GET /token", times=9, status=403)
        with open_repository(f"{proxy.address}/x") as opened, pytest.raises(Denied, match="pull access denied for"):
            opened.manifest("1")


@pytest.mark.parametrize("body", [b"{}", b"nonsense", b'{"token": "a\\r\\nX-Evil: 1"}', b'{"token": 3}'])
def test_tokens_that_make_no_sense(body: bytes) -> None:
    with fault_proxy() as proxy:
        challenge = f'Bearer realm="http://{proxy.address}/token"'
        proxy.fault("GET /v2/", times=9, status=401, headers={"WWW-Authenticate": challenge})
        proxy.fault("GET /token", times=9, status=200, body=body)
        with open_repository(f"{proxy.address}/x") as opened, pytest.raises(Corrupt, match="token server"):
            opened.manifest("1")
