"""List images."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from sampan import hookimpl
from sampan.cli import units
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput
from sampan.model import reference as references
from sampan_plugins.commands._flags import FILTER

if TYPE_CHECKING:
    from sampan.model.image import Image

_HEADERS = {
    "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID", "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT", "Size": "SIZE", "VirtualSize": "SIZE", "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE",
}  # fmt: skip
_NONE = "<none>"


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``images``."""
    return images


@command("images")
@click.option("--all", "-a", "everything", is_flag=True, help="Accepted for compatibility: nothing is hidden")
@click.option("--digests", is_flag=True, help="Show digests")
@click.option("--filter", "-f", "filters", type=FILTER, multiple=True, metavar="filter", help="Show only some")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--no-trunc", is_flag=True, help="Do not shorten what is shown")
@click.option("--quiet", "-q", is_flag=True, help="Only show image IDs")
@click.option("--tree", is_flag=True, hidden=True)
@click.argument("pattern", metavar="[REPOSITORY[:TAG]]", default="", required=False)
@pass_context
def images(
    context: Context, everything: bool, digests: bool, filters: tuple[tuple[str, str], ...], form: str, no_trunc: bool,
    quiet: bool, tree: bool, pattern: str,
) -> None:  # fmt: skip
    """List images."""
    from sampan.cli.table import listing

    if tree:
        raise InvalidInput("--tree is not supported yet")
    if quiet and form:
        sys.stderr.write("WARNING: Ignoring custom format, because both --format and --quiet are set.\n")
        form = ""
    wanted: dict[str, list[str]] = {"reference": [pattern]} if pattern else {}
    for name, value in filters:
        wanted.setdefault(name, []).append(value)
    found = context.engine.images(wanted)
    digests = digests or ".Digest" in form
    rows = [
        _row(image, *names, no_trunc=no_trunc) for image in found for names in _names(image, digests=digests)
    ]
    if quiet:
        lines = [row["ID"] for row in rows]
    else:
        middle = ("Digest",) if digests else ()
        columns = ("Repository", "Tag", *middle, "ID", "CreatedSince", "Size")
        lines = listing(rows, _HEADERS, columns, form, kind="image")
    click.echo("".join(f"{line}\n" for line in lines), nl=False)


def _names(image: Image, *, digests: bool) -> Iterator[tuple[str, str, str]]:
    """Yield repository, tag and digest for each row that an image takes."""
    known: dict[str, list[str]] = {}
    for name in image.digests:
        repository, _, digest = name.partition("@")
        known.setdefault(references.familiar(repository), []).append(digest)
    tagged = set()
    for name in image.tags:
        repository, _, tag = name.rpartition(":")
        repository = references.familiar(repository)
        tagged.add(repository)
        for digest in (known.get(repository) if digests else None) or [_NONE]:
            yield repository, tag, digest
    for repository, its in known.items():
        if repository not in tagged:
            for digest in its if digests else [_NONE]:
                yield repository, _NONE, digest
    if not image.tags and not image.digests:
        yield _NONE, _NONE, _NONE


def _row(image: Image, repository: str, tag: str, digest: str, *, no_trunc: bool) -> dict[str, Any]:
    size = units.human_size(image.size)
    return {
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "ID": image.id if no_trunc else image.short_id,
        "CreatedSince": units.ago(image.created) or "N/A",
        "CreatedAt": lambda: time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(image.created)),
        "Size": size,
        "VirtualSize": size,
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
    }
