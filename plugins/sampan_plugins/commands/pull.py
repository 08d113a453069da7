"""Download an image from a registry."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``pull``."""
    return pull


@command("pull")
@click.option("--all-tags", "-a", is_flag=True, help="Download all tagged images in the repository")
@click.option("--platform", metavar="string", default="", help="Platform, where the image has several")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but the image's name")
@click.argument("name", metavar="NAME[:TAG|@DIGEST]")
@pass_context
def pull(context: Context, name: str, all_tags: bool, platform: str, quiet: bool) -> None:
    """Download an image from a registry."""
    from sampan.model import reference as references
    from sampan_plugins.commands import _pulling

    reference = references.parse(name)
    if all_tags:
        _pulling.pull_all(context, name, platform=platform, out=sys.stdout, quiet=quiet)
        sys.stdout.write(f"{reference}\n")
        return
    if not (reference.tag or reference.digest) and not quiet:
        sys.stdout.write("Using default tag: latest\n")
    _pulling.pull(context, name, platform=platform, out=sys.stdout, quiet=quiet)
    sys.stdout.write(f"{reference.with_default_tag()}\n")
