"""Logging in and out, as people do it and as scripts do."""

from __future__ import annotations

import json

import pytest
from tests.services.registry import PASSWORD, USER, running_registry

_UNENCRYPTED = """
WARNING! Your credentials are stored unencrypted in '{}'.
Configure a credential helper to remove this warning. See
https://docs.docker.com/go/credential-store/

"""
_INSECURE = "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with running_registry(tmp_path_factory.mktemp("basic"), basic=True) as server:
        yield server.address


@pytest.fixture
def config(empty):
    empty.environ["DOCKER_CONFIG"] = str(empty.directory / "docker")
    return empty.directory / "docker/config.json"


def test_by_flags_and_from_a_pipe(empty, host, config):
    result = empty.result("login", "-u", USER, "-p", PASSWORD, host)
    assert (result.returncode, result.stdout) == (0, b"Login Succeeded\n")
    assert result.stderr.decode() == _INSECURE + _UNENCRYPTED.format(config)
    assert list(json.loads(config.read_text())["auths"]) == [host]
    assert empty.run("logout", host) == f"Removing login credentials for {host}"
    assert empty.run("logout", host) == f"Not logged in to {host}"
    piped = f"{PASSWORD}\n".encode()
    result = empty.result("login", "-u", USER, "--password-stdin", f"https://{host}/v2/", stdin=piped)
    assert (result.returncode, result.stdout) == (0, b"Login Succeeded\n")
    again = empty.result("login", host)
    assert (again.returncode, again.stdout) == (0, b"Login Succeeded\n")
    assert again.stderr.startswith(f"Authenticating with existing credentials... [Username: {USER}]\n".encode())


def test_what_is_refused_is_not_kept(empty, host, config):
    result = empty.result("login", "-u", USER, "-p", "wrong", host)
    assert result.returncode == 1
    assert result.stderr.decode() == \
        f"{_INSECURE}Error: login attempt to http://{host}/v2/ failed with status: 401 Unauthorized\n"
    assert not config.exists()


@pytest.mark.parametrize(("words", "message"), [
    ((), "Cannot perform an interactive login from a non TTY device"),
    (("-u", USER), "Cannot perform an interactive login from a non TTY device"),
    (("-p", "x", "--password-stdin"), "conflicting options: cannot specify both --password and --password-stdin"),
    (("--password-stdin",), "the --password-stdin option requires --username to be set"),
    (("-u", USER, "--password-stdin"), "Cannot perform an interactive login from a non TTY device"),
    (("-u", USER, "-p", ""), "password is empty"),
    (("-u", ""), "username is empty"),
])
def test_what_is_lacking(empty, host, config, words, message):
    assert empty.fails("login", *words, host) == message
    assert not config.exists()


def test_a_host_that_is_none(empty, config):
    assert empty.fails("login", "-u", "a", "--password-stdin", "not a host", stdin=b"b") == \
        "invalid registry host 'not a host' (write it as HOST or HOST:PORT)"
    assert empty.run("logout") == "Not logged in to https://index.docker.io/v1/"


def test_at_a_terminal(empty, host, config):
    terminal = empty.terminal("login", host)
    terminal.expect("Username: ")
    terminal.type(f"{USER}\n")
    terminal.expect("Password: ")
    terminal.type(f"{PASSWORD}\n")
    shown = terminal.expect("Login Succeeded")
    assert PASSWORD.encode() not in shown.string[: shown.end()]
    assert terminal.wait() == 0
    # What is kept is not right any more: asked for again, with the name as it was.
    document = json.loads(config.read_text())
    document["auths"][host]["auth"] = "YWxpY2U6b2xk"
    config.write_text(json.dumps(document))
    terminal = empty.terminal("login", host)
    terminal.expect("Login did not succeed, error: login attempt to .* 401 Unauthorized")
    terminal.expect(rf"Username \({USER}\): ")
    terminal.type("\n")
    terminal.expect("Password: ")
    terminal.type(f"{PASSWORD}\n")
    terminal.expect("Login Succeeded")
    assert terminal.wait() == 0


def test_interrupted_at_the_terminal(empty, host, config):
    terminal = empty.terminal("login", "-u", USER, host)
    terminal.expect("Password: ")
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert not config.exists()
