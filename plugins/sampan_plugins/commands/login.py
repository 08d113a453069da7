"""Authenticate to a registry."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli import terminal
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput, SampanError


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``login``."""
    return login


@command("login")
@click.option("--password", "-p", metavar="string", help="Password or Personal Access Token (PAT)")
@click.option(
    "--password-stdin", is_flag=True, help="Take the Password or Personal Access Token (PAT) from stdin"
)
@click.option("--username", "-u", metavar="string", help="Username")
@click.argument("server", metavar="[SERVER]", default="", required=False)
@pass_context
def login(context: Context, server: str, username: str | None, password: str | None, password_stdin: bool) -> None:
    """Authenticate to a registry.
    Defaults to Docker Hub if no server is specified.
    """
    if password_stdin:
        password = _piped(username, password)
    else:
        _check(username, password)
    if username is None and password is None and _by_what_is_kept(context, server):
        file = ""
    else:
        file = context.engine.login(server, *_asked_for(context, server, username or "", password or ""))
    if file:
        sys.stderr.write(
            f"\nWARNING! Your credentials are stored unencrypted in '{file}'.\n"
            "Configure a credential helper to remove this warning. See\n"
            "https://docs.docker.com/go/credential-store/\n\n"
        )
    sys.stdout.write("Login Succeeded\n")


def _check(username: str | None, password: str | None) -> None:
    for name, value in (("username", username), ("password", password)):
        if value == "":
            raise InvalidInput(f"{name} is empty")
    if password is not None:
        sys.stderr.write("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")


def _piped(username: str | None, password: str | None) -> str:
    if password is not None:
        raise InvalidInput("conflicting options: cannot specify both --password and --password-stdin")
    if not username:
        raise InvalidInput("the --password-stdin option requires --username to be set")
    with open(0, "rb", closefd=False) as stream:
        return stream.read().decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")


def _by_what_is_kept(context: Context, server: str) -> bool:
    """Try the credentials that are kept, if there are any; tell whether that went well."""
    known = context.engine.account(server)
    if not known.kept:
        return False
    whose = f" [Username: {known.user}]" if known.user else ""
    sys.stderr.write(
        f"Authenticating with existing credentials...{whose}\n\n"
        " Info -> To login with a different account, run 'sampan logout' followed by 'sampan login'\n\n\n"
    )
    try:
        context.engine.login(server)
    except SampanError as error:
        sys.stderr.write(f"Login did not succeed, error: {error}\n")
        return False
    return True


def _asked_for(context: Context, server: str, username: str, password: str) -> tuple[str, str]:
    """Return user name and password, what is lacking asked for at the terminal."""
    if username and password:
        return username, password
    if not terminal.is_terminal(0):
        raise InvalidInput("Cannot perform an interactive login from a non TTY device")
    if not username:
        usual = context.engine.account(server).user
        username = terminal.ask(f"Username ({usual}): " if usual else "Username: ") or usual
        if not username:
            raise InvalidInput("Non-null Username Required")
    password = password or terminal.ask("Password: ", hidden=True)
    if not password:
        raise InvalidInput("Password Required")
    return username, password
