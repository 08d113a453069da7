"""Upload an image to a registry."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context

if TYPE_CHECKING:
    from sampan.engine.progress import Event
    from sampan.engine.push import Pushed


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``push``."""
    return push


@command("push")
@click.option("--all-tags", "-a", is_flag=True, help="Push all tags of an image to the repository")
@click.option(
    "--platform", metavar="string", default="", help="Push only if the image here is for this platform (linux/amd64)"
)
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but the name")
@click.argument("name", metavar="NAME[:TAG]")
@pass_context
def push(context: Context, name: str, all_tags: bool, platform: str, quiet: bool) -> None:
    """Upload an image to a registry."""
    from sampan.model import reference as references

    reference = references.parse(name)
    named = reference if all_tags else reference.with_default_tag()
    if quiet:
        for _ in _push(context, name, all_tags, platform=platform):
            pass
        sys.stdout.write(f"{named}\n")
        return
    if named != reference:
        sys.stdout.write("Using default tag: latest\n")
    from sampan.cli.progress import Progress

    with Progress(sys.stdout) as progress:

        def report(event: Event) -> None:
            if event.id:
                progress.update(event.id, event.action, event.current, event.total)
            else:
                progress.line(event.action)

        for pushed in _push(context, name, all_tags, platform=platform, report=report):
            progress.line(f"{pushed.reference.tag}: digest: {pushed.digest} size: {pushed.size}")


def _push(context: Context, name: str, all_tags: bool, **how: Any) -> Iterable[Pushed]:
    engine = context.engine
    return engine.push_all(name, **how) if all_tags else [engine.push(name, **how)]
