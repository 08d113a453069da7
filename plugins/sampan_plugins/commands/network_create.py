"""Create a network."""

from __future__ import annotations

import sys
from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput, NotFound, Unsupported
from sampan.model.network import Network
from sampan_plugins.commands._environment import pairs
from sampan_plugins.commands._flags import LABEL, STRINGS, joined


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``network create``."""
    return network_create


@command("create")
@click.option("--attachable", is_flag=True, help="Enable manual container attachment")
@click.option("--aux-address", metavar="map", multiple=True, help="Addresses never to give away (NAME=ADDRESS)")
@click.option("--config-from", metavar="string", default="", hidden=True)
@click.option("--config-only", is_flag=True, hidden=True)
@click.option("--driver", "-d", metavar="string", default="", help='Driver of the network (default "bridge")')
@click.option("--gateway", type=STRINGS, metavar="strings", multiple=True, help="IPv4 or IPv6 gateway of a subnet")
@click.option("--ingress", is_flag=True, hidden=True)
@click.option("--internal", is_flag=True, help="Restrict external access to the network")
@click.option("--ip-range", type=STRINGS, metavar="strings", multiple=True, help="Part of a subnet to give away")
@click.option("--ipam-driver", metavar="string", default="default", help='What manages addresses (only "default")')
@click.option("--ipam-opt", metavar="map", multiple=True, help="Noted, for compatibility")
@click.option("--ipv4", type=bool, default=True, help="Give containers IPv4 addresses (default true)")
@click.option("--ipv6", is_flag=True, help="Give containers IPv6 addresses")
@click.option("--label", type=LABEL, metavar="list", multiple=True, help="Set a label")
@click.option("--opt", "-o", metavar="map", multiple=True, help="Option of the driver (KEY=VALUE)")
@click.option("--scope", metavar="string", default="", hidden=True)
@click.option("--subnet", type=STRINGS, metavar="strings", multiple=True, help="Subnet in CIDR notation")
@click.argument("network", metavar="NETWORK")
@pass_context
def network_create(context: Context, /, network: str, **flags: Any) -> None:
    """Create a network."""
    from sampan_plugins.commands._pools import pools

    _refuse_swarm(flags)
    if flags["ipam_driver"] != "default":
        raise NotFound(f'plugin "{flags["ipam_driver"]}" not found')
    wanted = Network(
        id="", name=network, driver=flags["driver"],
        pools=pools(
            joined(flags["subnet"]), joined(flags["ip_range"]), joined(flags["gateway"]), pairs(flags["aux_address"])
        ),
        ipv4=flags["ipv4"], ipv6=flags["ipv6"], internal=flags["internal"], attachable=flags["attachable"],
        labels=pairs(flags["label"]), options=pairs(flags["opt"]), ipam_options=pairs(flags["ipam_opt"]),
    )
    sys.stdout.write(f"{context.engine.create_network(wanted).id}\n")


def _refuse_swarm(flags: dict[str, Any]) -> None:
    """Refuse what only makes sense in a swarm of machines."""
    if flags["ingress"]:
        raise InvalidInput("Ingress network can only be global scope network")
    if flags["scope"] not in ("", "local"):
        raise InvalidInput("cannot create a swarm scoped network when swarm is not active")
    if flags["config_only"] or flags["config_from"]:
        raise Unsupported("--config-only and --config-from are not supported", "they are for swarms; give the options")
