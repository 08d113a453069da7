from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

import pytest

from sampan.errors import InvalidInput
from sampan_plugins.registries.distribution.credentials import Credentials, Found, look_up


def write(directory: Path, document: object) -> str:
    (directory / "config.json").write_text(json.dumps(document))
    return str(directory)


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a credential helper, named ``test``, that is the given shell script."""
    def install(script: str) -> None:
        path = tmp_path / "docker-credential-test"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


@pytest.mark.parametrize(("key", "host"), [
    ("registry.example:5000", "registry.example:5000"),
    ("https://registry.example/v1/", "registry.example"),
    ("http://registry.example", "registry.example"),
    ("https://index.docker.io/v1/", "docker.io"),
    ("index.docker.io", "docker.io"),
])
def test_keys(tmp_path: Path, key: str, host: str) -> None:
    directory = write(tmp_path, {"auths": {key: auth("u:p:with:colons")}, "unknown": {"is": "ignored"}})
    assert look_up(host, directory) == Found(Credentials("u", "p:with:colons"))


def test_another_host_has_none(tmp_path: Path) -> None:
    directory = write(tmp_path, {"auths": {"registry.example": auth("u:p")}})
    for host in ("registry.example:5000", "example", "evil-registry.example", "docker.io"):
        assert look_up(host, directory) == Found()


def test_no_file(tmp_path: Path) -> None:
    assert look_up("x", str(tmp_path)) == Found()


def test_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", write(tmp_path, {"auths": {"x": auth("u:p")}}))
    assert look_up("x").credentials == Credentials("u", "p")
    monkeypatch.delenv("DOCKER_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    write(tmp_path / ".docker", {"auths": {"x": auth("home:p")}})
    assert look_up("x").credentials == Credentials("home", "p")


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": 3}', '{"auths": {"x": {"auth": "@@"}}}'])
def test_malformed_files_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InvalidInput, match=r"config\.json|kept for x"):
        look_up("x", str(tmp_path))


def test_identity_token(tmp_path: Path) -> None:
    directory = write(tmp_path, {"auths": {"x": {**auth("u:"), "identitytoken": "t"}}})
    assert look_up("x", directory).credentials == Credentials("u", "", "t")


def test_helper_gets_the_key_and_outranks_auths(tmp_path: Path, helper) -> None:
    helper('read -r key; printf \'{"Username": "%s", "Secret": "%s"}\' "$key" "$1"')
    document = {"auths": {"docker.io": auth("no:no")}, "credsStore": "test"}
    assert look_up("docker.io", write(tmp_path, document)).credentials == \
        Credentials("https://index.docker.io/v1/", "get")


def test_helper_of_the_host_outranks_the_store(tmp_path: Path, helper) -> None:
    helper('echo \'{"Username": "<token>", "Secret": "s"}\'')
    document = {"credsStore": "missing", "credHelpers": {"x": "test"}}
    assert look_up("x", write(tmp_path, document)).credentials == Credentials(identity_token="s")


def test_helper_without_an_entry(tmp_path: Path, helper) -> None:
    helper('echo "credentials not found in native keychain"; exit 1')
    document = {"credsStore": "test", "auths": {"x": auth("u:p")}}
    assert look_up("x", write(tmp_path, document)) == Found(Credentials("u", "p"))


@pytest.mark.parametrize(("script", "words"), [
    ("echo the keyring is locked >&2; exit 3", "failed: the keyring is locked"),
    ("echo nonsense", "not valid"),
    ("exec sleep 30", "did not answer within 0.2 s"),
])
def test_helper_trouble(tmp_path: Path, helper, script: str, words: str) -> None:
    helper(script)
    start = time.monotonic()
    found = look_up("x", write(tmp_path, {"credsStore": "test"}), 0.2 if "sleep" in script else 10)
    assert found.credentials is None
    assert words in found.problem
    assert time.monotonic() - start < 5


def test_helper_that_is_not_there(tmp_path: Path) -> None:
    found = look_up("x", write(tmp_path, {"credsStore": "missing"}))
    assert found.problem == "credential helper docker-credential-missing is not installed"
    assert "not a plain name" in look_up("x", write(tmp_path, {"credsStore": "../sh"})).problem


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Found(Credentials("u", "secret", "secret-token")))
