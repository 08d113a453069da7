"""List images."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput
from sampan_plugins.commands import _image_rows
from sampan_plugins.commands._flags import FILTER

_RAW = (
    "repository: {{.Repository}}\ntag: {{.Tag}}\n%simage_id: {{.ID}}\n"
    "created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
)


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``images``."""
    return images


@command("images")
@click.option("--all", "-a", "everything", is_flag=True, help="Show all images (default hides intermediate images)")
@click.option("--digests", is_flag=True, help="Show digests")
@click.option("--filter", "-f", "filters", type=FILTER, multiple=True, metavar="filter", help="Show only some")
@click.option("--format", "form", metavar="string", default="", help='A Go template, "table TEMPLATE" or "json"')
@click.option("--no-trunc", is_flag=True, help="Do not shorten what is shown")
@click.option("--quiet", "-q", is_flag=True, help="Only show image IDs")
@click.option("--tree", is_flag=True, help="Show images with their platforms, and what they take of the disk")
@click.argument("pattern", metavar="[REPOSITORY[:TAG]]", default="", required=False)
@pass_context
def images(
    context: Context, everything: bool, digests: bool, filters: tuple[tuple[str, str], ...], form: str, no_trunc: bool,
    quiet: bool, tree: bool, pattern: str,
) -> None:  # fmt: skip
    """List images."""
    if tree:
        for flag, given in (("quiet", quiet), ("no-trunc", no_trunc), ("digests", digests), ("format", bool(form))):
            if given:
                raise InvalidInput(f"--{flag} is not yet supported with --tree")
    found = context.engine.images(_wanted(filters, pattern), all=everything)
    if tree:
        from sampan_plugins.commands import _image_tree

        shown = found if everything else [image for image in found if image.tags or image.digests]
        return click.echo(_image_tree.drawn(context.engine.image_usage(shown)))
    from sampan.cli.table import listing

    digests = digests or ".Digest" in form
    rows = [
        _image_rows.row(image, *names, no_trunc=no_trunc)
        for image in found
        for names in _image_rows.names(image, digests=digests)
    ]
    if form.startswith("table") and digests and "{{" in form and ".Digest" not in form:
        form += "\t{{.Digest}}"
    columns = ("Repository", "Tag", *(("Digest",) if digests else ()), "ID", "CreatedSince", "Size")
    raw = "image_id: {{.ID}}" if quiet else _RAW % ("digest: {{.Digest}}\n" if digests else "")
    lines = listing(
        rows, _image_rows.HEADERS, columns, form, quiet="ID" if quiet else "", kind="*formatter.imageContext", raw=raw
    )
    return click.echo("".join(f"{line}\n" for line in lines), nl=False)


def _wanted(filters: tuple[tuple[str, str], ...], pattern: str) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {"reference": [pattern]} if pattern else {}
    for name, value in filters:
        if name == "until":
            from sampan_plugins.commands import _pruning

            value = str(_pruning.moment(value))
        wanted.setdefault(name, []).append(value)
    return wanted
