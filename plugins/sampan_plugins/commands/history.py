"""Show the history of an image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context

if TYPE_CHECKING:
    from sampan.engine.history import Step

_HEADERS = {
    "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE",
    "Comment": "COMMENT",
}  # fmt: skip
_WIDEST = 45


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``history``."""
    return history


@command("history")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--human", "-H", type=bool, default=True, metavar="", help="Sizes and dates for people (default true)")
@click.option("--no-trunc", is_flag=True, help="Do not shorten what is shown")
@click.option("--platform", metavar="string", default="", help="Only if it is for this platform")
@click.option("--quiet", "-q", is_flag=True, help="Only show image IDs")
@click.argument("image", metavar="IMAGE")
@pass_context
def history(
    context: Context, image: str, form: str, human: bool, no_trunc: bool, platform: str, quiet: bool
) -> None:
    """Show the history of an image."""
    from sampan.cli.table import listing

    rows = [_row(step, human, no_trunc) for step in context.engine.history(image, platform=platform)]
    headers = _HEADERS if human else {**_HEADERS, "CreatedSince": _HEADERS["CreatedAt"]}
    columns = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
    lines = listing(rows, headers, columns, form, quiet="ID" if quiet else "", kind="*image.historyContext")
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


def _row(step: Step, human: bool, whole: bool) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(step.created)) if step.created else "0001-01-01T00:00:00Z"
    by = step.created_by.replace("\t", " ")
    return {
        "ID": (step.image if whole else step.image.partition(":")[2][:12]) if step.image else "<missing>",
        "CreatedSince": (units.ago(step.created) or "N/A") if human else at,
        "CreatedAt": at,
        "CreatedBy": by if whole or len(by) <= _WIDEST else by[: _WIDEST - 1] + "…",
        "Size": units.human_size(step.size) if human else str(step.size),
        "Comment": step.comment,
    }
