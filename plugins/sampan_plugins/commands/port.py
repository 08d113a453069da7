"""List port mappings or a specific mapping for the container."""

from __future__ import annotations

import sys
from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput, NotFound
from sampan_plugins.commands._sorting import natural


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``port``."""
    return port


@command("port")
@click.argument("container", metavar="CONTAINER")
@click.argument("wanted", metavar="[PRIVATE_PORT[/PROTO]]", required=False, default="")
@pass_context
def port(context: Context, container: str, wanted: str) -> None:
    """List port mappings or a specific mapping for the container."""
    ports = context.engine.inspect_container(container)["NetworkSettings"]["Ports"]
    if wanted:
        lines = _one(ports, wanted, container)
    else:
        lines = [f"{inside} -> {_address(outside)}" for inside, found in ports.items() for outside in found or ()]
    sys.stdout.write("".join(f"{line}\n" for line in sorted(lines, key=natural)))


def _one(ports: dict[str, Any], wanted: str, container: str) -> list[str]:
    number, _, protocol = wanted.partition("/")
    if not number.isdecimal():
        raise InvalidInput(f'invalid port ({number}): strconv.ParseUint: parsing "{number}": invalid syntax')
    if int(number) > 0xFFFF:
        raise InvalidInput(f'invalid port ({number}): strconv.ParseUint: parsing "{number}": value out of range')
    found = ports.get(f"{number}/{protocol or 'tcp'}")
    if not found:
        raise NotFound(f"No public port '{wanted}' published for {container}")
    return [_address(outside) for outside in found]


def _address(outside: dict[str, str]) -> str:
    host = outside["HostIp"]
    return f"[{host}]:{outside['HostPort']}" if ":" in host else f"{host}:{outside['HostPort']}"
