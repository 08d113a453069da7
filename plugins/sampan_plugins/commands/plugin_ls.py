"""List plugins."""

from __future__ import annotations

from collections.abc import Sequence

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context

_HEADINGS = ("SLOT", "NAME", "DISTRIBUTION", "VERSION", "STATUS")


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``plugin ls``."""
    return plugin_ls


@command("ls")
@click.option("--slot", metavar="string", default="", help="Only the plugins of one slot")
@click.option("-q", "--quiet", is_flag=True, help="Only display SLOT/NAME")
@pass_context
def plugin_ls(context: Context, slot: str, quiet: bool) -> None:
    """List plugins.

    Every plugin of every slot is imported and checked, so that the broken ones show, with the reason.
    """
    from sampan.plugin.survey import survey

    rows = []
    for finding in survey(context.plugins, slot):
        claim = finding.claim
        status = f"{finding.status}: {finding.reason}" if finding.reason else finding.status
        name = claim.name.replace(".", " ") if claim.slot == "commands" else claim.name
        rows.append((claim.slot, name, claim.distribution, claim.version, status))
    click.echo("\n".join(f"{row[0]}/{row[1]}" for row in rows) if quiet else _table([_HEADINGS, *rows]))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) + 3 for column in range(len(_HEADINGS))]
    lines = ("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
