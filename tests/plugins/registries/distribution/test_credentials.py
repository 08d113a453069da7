from __future__ import annotations

import base64
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sampan.errors import InvalidInput, SampanError
from sampan_plugins.registries.distribution.credentials import Credentials, Found, forget, keep, look_up


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


# Keeping and forgetting


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a credential helper, named ``ring``, that keeps each secret in a file; the directory of these."""
    directory = tmp_path / "ring"
    directory.mkdir()
    helper = tmp_path / "docker-credential-ring"
    helper.write_text(f"""#!{sys.executable}
import json, pathlib, sys
ring, verb, given = pathlib.Path({str(directory)!r}), sys.argv[1], sys.stdin.read()
server = json.loads(given)["ServerURL"] if verb == "store" else given
file = ring / server.replace("/", "_")
if verb == "store":
    file.write_text(given)
elif not file.exists():
    sys.exit("credentials not found in native keychain")
elif verb == "get":
    print(file.read_text())
else:
    file.unlink()
""")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return directory


def document(directory: Path) -> dict[str, object]:
    found = json.loads((directory / "config.json").read_text())
    assert isinstance(found, dict)
    return found


def test_keep_and_forget(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "docker"
    assert keep("x:1", Credentials("u", "p:q"), str(directory)) == str(directory / "config.json")
    assert document(directory) == {"auths": {"x:1": auth("u:p:q")}}
    assert (directory / "config.json").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert look_up("x:1", str(directory)).credentials == Credentials("u", "p:q")
    assert forget("x:1", str(directory))
    assert not forget("x:1", str(directory))
    assert document(directory) == {"auths": {}}
    assert os.listdir(directory) == ["config.json"]


def test_identity_token_is_kept_in_place_of_the_password(tmp_path: Path) -> None:
    keep("x", Credentials("u", "p", "t"), str(tmp_path))
    assert document(tmp_path) == {"auths": {"x": {**auth("u:"), "identitytoken": "t"}}}
    assert look_up("x", str(tmp_path)).credentials == Credentials("u", "", "t")


def test_hub_has_its_key(tmp_path: Path) -> None:
    keep("docker.io", Credentials("u", "p"), str(tmp_path))
    assert document(tmp_path) == {"auths": {"https://index.docker.io/v1/": auth("u:p")}}
    assert forget("docker.io", str(tmp_path))


def test_old_names_of_a_host_are_forgotten_too(tmp_path: Path) -> None:
    others = {"y": auth("o:o"), "x:1": auth("o:o")}
    directory = write(tmp_path, {"auths": {"https://x/v1/": auth("a:a"), "http://x": auth("b:b"), **others}})
    assert forget("x", directory)
    assert document(tmp_path) == {"auths": others}


def test_what_is_others_stays_and_links_are_followed(tmp_path: Path) -> None:
    more = {"psFormat": "{{.ID}} ä", "plugins": {"a": {"b": 1.5, "c": None}}, "HttpHeaders": {"X": "1"}}
    write(tmp_path, {**more, "auths": {"y": {**auth("o:o"), "email": "o@y"}}})
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.json").symlink_to("../config.json")
    keep("x", Credentials("u", "p"), str(home))
    assert document(tmp_path) == {**more, "auths": {"y": {**auth("o:o"), "email": "o@y"}, "x": auth("u:p")}}
    assert (home / "config.json").is_symlink()
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    directory = write(tmp_path, {"auths": {"y": auth("o:o")}})
    before = (tmp_path / "config.json").stat()
    assert not forget("x", directory)
    after = (tmp_path / "config.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: keep(f"host{number}", Credentials("u", "p"), str(tmp_path)), range(20)))
    assert len(document(tmp_path)["auths"]) == 20  # type: ignore[arg-type]  # an object


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": 3}'])
def test_a_file_that_makes_no_sense_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    for change in (lambda: keep("x", Credentials("u", "p"), str(tmp_path)), lambda: forget("x", str(tmp_path))):
        with pytest.raises(InvalidInput, match=r"config\.json is not valid"):
            change()
    assert (tmp_path / "config.json").read_text() == content


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SampanError, match=r"cannot open .*: not a directory"):
        keep("x", Credentials("u", "p"), str(tmp_path / "file" / "docker"))


def test_helper_keeps_and_forgets(tmp_path: Path, keyring: Path) -> None:
    directory = write(tmp_path, {"credsStore": "ring", "auths": {"x": auth("old:clear")}})
    assert keep("x", Credentials("u", "p"), directory) == ""
    assert document(tmp_path) == {"credsStore": "ring", "auths": {"x": {}}}
    stored = {"Username": "u", "Secret": "p", "ServerURL": "x"}
    assert json.loads((keyring / "x").read_text()) == stored
    assert look_up("x", directory).credentials == Credentials("u", "p")
    assert forget("x", directory)
    assert not forget("x", directory)
    assert os.listdir(keyring) == []
    assert document(tmp_path) == {"credsStore": "ring", "auths": {}}


def test_helper_of_one_host_and_its_identity_token(tmp_path: Path, keyring: Path) -> None:
    directory = write(tmp_path, {"credsStore": "missing", "credHelpers": {"x": "ring"}})
    keep("x", Credentials("u", "p", "t"), directory)
    assert json.loads((keyring / "x").read_text())["Username"] == "<token>"
    assert look_up("x", directory).credentials == Credentials(identity_token="t")


def test_helper_that_fails_changes_nothing(tmp_path: Path, helper) -> None:
    helper("echo the keyring is locked >&2; exit 3")
    before = {"credsStore": "test", "auths": {"x": {}}}
    directory = write(tmp_path, before)
    for change in (lambda: keep("x", Credentials("u", "p"), directory), lambda: forget("x", directory)):
        with pytest.raises(SampanError, match="docker-credential-test failed: the keyring is locked"):
            change()
    assert document(tmp_path) == before


def test_a_helper_that_is_there_is_begun_with(tmp_path: Path, keyring: Path) -> None:
    (tmp_path / "docker-credential-ring").rename(tmp_path / "docker-credential-pass")
    (tmp_path / "pass").symlink_to("/bin/true")
    directory = tmp_path / "docker"
    assert keep("x", Credentials("u", "p"), str(directory)) == ""
    assert document(directory) == {"credsStore": "pass", "auths": {"x": {}}}
    assert os.listdir(keyring) == ["x"]
