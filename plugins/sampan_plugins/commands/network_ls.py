"""List networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan_plugins.commands._flags import FILTER

if TYPE_CHECKING:
    from sampan.model.network import Network

_HEADERS = {
    "ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE", "IPv4": "IPV4", "IPv6": "IPV6",
    "Internal": "INTERNAL", "Labels": "LABELS", "CreatedAt": "CREATED AT",
}  # fmt: skip


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``network ls``."""
    return network_ls


@command("ls")
@click.option("--filter", "-f", "filters", type=FILTER, multiple=True, metavar="filter", help="Show only some")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--no-trunc", is_flag=True, help="Do not truncate the output")
@click.option("--quiet", "-q", is_flag=True, help="Only display network IDs")
@pass_context
def network_ls(
    context: Context, filters: tuple[tuple[str, str], ...], form: str, no_trunc: bool, quiet: bool
) -> None:
    """List networks."""
    from sampan.cli.table import listing
    from sampan_plugins.commands._sorting import natural

    wanted: dict[str, list[str]] = {}
    for name, value in filters:
        wanted.setdefault(name, []).append(value)
    found = sorted(context.engine.list_networks(wanted), key=lambda network: natural(network.name))
    lines = listing(
        [_row(network, no_trunc) for network in found], _HEADERS, ("ID", "Name", "Driver", "Scope"), form,
        quiet="ID" if quiet else "", kind="*network.networkContext", raw="network_id: {{.ID}}\nname: {{.Name}}\n"
        "driver: {{.Driver}}\nscope: {{.Scope}}\n",
    )
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


def _row(network: Network, no_trunc: bool) -> dict[str, Any]:
    return {
        "ID": network.id if no_trunc else network.id[:12],
        "Name": network.name,
        "Driver": network.driver,
        "Scope": "local",
        "IPv4": str(network.ipv4).lower(),
        "IPv6": str(network.ipv6).lower(),
        "Internal": str(network.internal).lower(),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(network.labels.items())),
        "Label": lambda name: network.labels.get(name, ""),
        "CreatedAt": lambda: _moment(network.created),
    }


def _moment(seconds: float) -> str:
    from sampan.engine import timestamps

    date, _, time = timestamps.written(seconds).partition("T")
    return f"{date} {time.removesuffix('Z')} +0000 UTC"
