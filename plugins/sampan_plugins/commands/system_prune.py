"""Remove unused data."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput
from sampan_plugins.commands import _pruning
from sampan_plugins.commands._flags import FILTER

_UNUSED = "all images without at least one container associated to them"


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``system prune``."""
    return prune


@command("prune")
@click.option("--all", "-a", "everything", is_flag=True, help="Remove all unused images not just dangling ones")
@click.option("--filter", "filters", type=FILTER, multiple=True, metavar="filter", help='Only some (e.g. "label=KEY")')
@click.option("--force", "-f", is_flag=True, help="Do not prompt for confirmation")
@click.option("--volumes", is_flag=True, help="Prune anonymous volumes")
@pass_context
def prune(
    context: Context, everything: bool, filters: tuple[tuple[str, str], ...], force: bool, volumes: bool
) -> None:
    """Remove unused data."""
    chosen = _pruning.choice(filters)
    if volumes and chosen["until"] is not None:
        raise InvalidInput('The "until" filter is not supported with "--volumes"')
    if not force and not _pruning.confirmed(_warning(everything, filters, volumes)):
        return
    # Containers first, for what they use is unused without them.
    containers = context.engine.prune_containers(**chosen)
    _pruning.tell_containers(containers)
    _pruning.tell_networks(context.engine.prune_networks(**chosen))
    pruned = [containers]
    if volumes:
        pruned.append(context.engine.prune_volumes({"label": chosen["labels"], "label!": chosen["without"]}))
        _pruning.tell_volumes(pruned[-1])
    images = context.engine.prune_images(all=everything, **chosen)
    _pruning.tell_images(images)
    _pruning.tell_total(*pruned, images)


def _warning(everything: bool, filters: tuple[tuple[str, str], ...], volumes: bool) -> str:
    kinds = [
        "all stopped containers", "all networks not used by at least one container",
        *(["all anonymous volumes not used by at least one container"] if volumes else ()),
        _UNUSED if everything else "all dangling images",
    ]  # fmt: skip
    parts = ["This will remove:", *(f"  - {kind}" for kind in kinds), ""]
    if filters:
        parts += ["  Items to be pruned will be filtered with:"]
        parts += [*sorted(f"  - {name}={value}" for name, value in filters), ""]
    return "\n".join(parts)
