"""Connect a container to a network."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.model.network import Connection
from sampan_plugins.commands import _connections
from sampan_plugins.commands._flags import STRINGS, joined


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``network connect``."""
    return network_connect


@command("connect")
@click.option("--alias", type=STRINGS, metavar="strings", multiple=True, help="Another name of the container there")
@click.option("--driver-opt", type=STRINGS, metavar="strings", multiple=True, help="Option of the driver (KEY=VALUE)")
@click.option("--gw-priority", type=int, default=0, help="The default route leads by the network of the highest")
@click.option("--ip", metavar="string", default="", help='IPv4 address (e.g., "172.30.100.104")')
@click.option("--ip6", metavar="string", default="", help='IPv6 address (e.g., "2001:db8::33")')
@click.option("--link", metavar="list", multiple=True, help="Find another by one more name (CONTAINER[:ALIAS])")
@click.option("--link-local-ip", type=STRINGS, metavar="strings", multiple=True, help="One more address, link-local")
@click.argument("network", metavar="NETWORK")
@click.argument("container", metavar="CONTAINER")
@pass_context
def network_connect(
    context: Context, network: str, container: str, alias: tuple[tuple[str, ...], ...],
    driver_opt: tuple[tuple[str, ...], ...], gw_priority: int, ip: str, ip6: str, link: tuple[str, ...],
    link_local_ip: tuple[tuple[str, ...], ...],
) -> None:  # fmt: skip
    """Connect a container to a network."""
    connection = Connection(
        network=network, aliases=joined(alias), links=tuple(map(_connections.link, link)), address=ip, address6=ip6,
        link_local=joined(link_local_ip), options=dict(map(_connections.option, joined(driver_opt))),
        priority=gw_priority,
    )
    context.engine.connect(container, _connections.checked(connection))
