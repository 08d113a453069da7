"""Lay out listings as Docker does: a table, one JSON object per row, or a template's text for each.

The plain table, which most listings are, does without the template engine and the milliseconds of loading it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from sampan.cli.gotemplate import Template

_PADDING = 3
_NARROWEST = 10
_BLAME = "template parsing error"


def listing(
    rows: Iterable[Mapping[str, Any]],
    headers: Mapping[str, str],
    columns: Sequence[str],
    form: str = "",
    *,
    quiet: str = "",
    kind: str = "row",
    raw: str = "",
    blame: tuple[str, str] = (_BLAME, _BLAME),
) -> list[str]:
    """Return the lines of a listing.

    ``rows`` map field names to what Record takes; ``headers`` gives each field's heading, ``columns`` the fields of
    the plain table; ``form`` is the argument of ``--format``: empty, ``table``, ``table TEMPLATE``, ``json`` or a
    template, with ``\\t`` and ``\\n`` spelled out or real; ``quiet`` names the one field that ``-q`` leaves where
    no template is given; ``raw`` is the template of the format of that name. ``kind`` names the rows in error messages,
    which begin with ``blame``: where a template does not parse, and where it has no value. Raises InvalidInput on a
    template that is wrong, rows or none.
    """
    if not quiet and form.strip() in ("", "table"):
        plain = ["\t".join(_cell(row[name]) for name in columns) for row in rows]
        return align(["\t".join(headers[name] for name in columns), *plain])
    from sampan.cli.gotemplate import Record

    if form.strip() in ("", "table"):
        form = "{{." + quiet + "}}"
    elif form == "raw" and raw:
        form = raw
    template, tabular = _template(form, blame[0])
    lines = [template.render(Record(row, kind), blame=blame[1]) for row in rows]
    if not tabular:
        return [line for text in lines for line in text.split("\n")]
    heads = Record({**headers, "Label": lambda name: name.rpartition(".")[2]}, kind)
    return align([template.render(heads, heading=True, blame=blame[1]), *lines])


def align(lines: Iterable[str], *, narrowest: int = _NARROWEST) -> list[str]:
    """Pad the cells between tabs into columns, each three wider than its widest cell and at least ``narrowest`` wide.

    As Go's text/tabwriter: what follows a line's last tab belongs to no column.
    """
    table = [line.split("\t") for text in lines for line in text.split("\n")]
    count = max((len(cells) for cells in table), default=1) - 1
    widths = [
        max(narrowest, *(len(cells[n]) + _PADDING for cells in table if len(cells) > n + 1)) for n in range(count)
    ]
    return [
        "".join(cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)) + cells[-1]
        for cells in table
    ]


def _cell(value: Any) -> str:
    return str(value() if callable(value) else value)


def _template(form: str, blame: str) -> tuple[Template, bool]:
    from sampan.cli.gotemplate import Template

    if form == "json":
        return Template("{{json .}}"), False
    tabular = form.startswith("table")
    if tabular:
        form = form.removeprefix("table").strip()
    return Template(form.replace("\\t", "\t").replace("\\n", "\n"), blame=blame), tabular
