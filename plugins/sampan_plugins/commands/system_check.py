"""Check that the store is sound."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput

if TYPE_CHECKING:
    from sampan.engine.check.finding import Finding

_HEADERS = {"Kind": "KIND", "Name": "NAME", "Problem": "PROBLEM", "Remedy": "REMEDY", "Mended": "MENDED"}
_COLUMNS = ("Kind", "Name", "Problem", "Remedy")


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``system check``."""
    return check


@command("check")
@click.option("--format", "form", metavar="string", default="", help='Print each finding by a Go template, or "json"')
@click.option("--quick", is_flag=True, help="Do not hash layers")
@click.option("--quiet", "-q", is_flag=True, help="Print only what is wrong")
@click.option("--repair", is_flag=True, help="Mend what can be mended without loss")
@click.option("--unpacked", is_flag=True, help="Compare unpacked layers with their archives, file by file")
@pass_context
def check(context: Context, form: str, quick: bool, quiet: bool, repair: bool, unpacked: bool) -> int:
    """Check that the store is sound.

    Exits with 0 when it is, or everything was mended, and with 1 otherwise.
    """
    if quick and unpacked:
        raise InvalidInput("conflicting options: --quick and --unpacked")
    found = []
    for finding in context.engine.check(repair=repair, quick=quick, unpacked=unpacked):
        found.append(finding)
        if not form:
            sys.stdout.write(_line(finding))
            sys.stdout.flush()
    if form:
        from sampan.cli.table import listing

        rows = [{name: getattr(finding, name.lower()) for name in _HEADERS} for finding in found]
        sys.stdout.writelines(line + "\n" for line in listing(rows, _HEADERS, _COLUMNS, form, kind="finding"))
    elif not quiet:
        sys.stdout.write(_summary(found) + "\n")
    return int(not all(finding.mended for finding in found))


def _line(finding: Finding) -> str:
    remedy = f" ({finding.remedy})" if finding.remedy else ""
    return f"{finding.kind} {finding.name}: {finding.problem}{remedy}\n"


def _summary(found: list[Finding]) -> str:
    if not found:
        return "The store is sound"
    left = sum(not finding.mended for finding in found)
    if not left:
        return f"The store is sound: {len(found)} mended"
    mended = f", {len(found) - left} mended" if left < len(found) else ""
    return f"The store is not sound: {left} left to mend{mended}"
