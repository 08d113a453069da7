"""Write docs/reference from the commands themselves: one page to a group. Usage: reference.py [DIRECTORY]"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from sampan.cli.command import option_rows
from sampan.cli.overview import OPTIONS
from sampan.config import Settings
from sampan.plugin.manager import Plugins

_TOP = Path(__file__).parents[2] / "docs/reference"
_TITLES = {
    "container": "Containers", "image": "Images", "network": "Networks", "volume": "Volumes", "plugin": "Plugins",
    "system": "Sampan itself", "": "Registries and the rest",
}  # fmt: skip
_NOTE = "<!-- Made by contrib/docs/reference.py from the commands: change those, then `make reference`. -->\n"


class Entry:
    """A command under all its names, the one to show first."""

    def __init__(self, names: list[str], command: click.Command) -> None:
        self.name, *self.others = sorted(names, key=lambda name: (name.count(" "), len(name), name))
        self.group = next((name.split()[0] for name in sorted(names) if " " in name), "")
        self.command = command

    @property
    def summary(self) -> str:
        return cleandoc(self.command.help or "").partition("\n\n")[0].replace("\n", " ").removesuffix(".")


def entries() -> list[Entry]:
    """Return the bundled commands, in the order of their names."""
    plugins = Plugins(Settings())
    names = defaultdict(list)
    for claim in plugins.claims:
        if claim.slot == "commands" and claim.distribution == "sampan":
            names[claim.target].append(claim.name)
    made = [Entry([name.replace(".", " ") for name in same], plugins.open_command(same[0])) for same in names.values()]
    return sorted(made, key=lambda entry: entry.name)


def pages() -> dict[str, str]:
    """Return the reference: each page's file name, and what is in it."""
    found = entries()
    made = {"index.md": "\n".join(_index(found))}
    for group, title in _TITLES.items():
        parts = [_NOTE, f"# {title}\n", *(_section(entry) for entry in found if entry.group == group)]
        made[_page(group)] = "\n".join(parts)
    return made


def _page(group: str) -> str:
    return f"{group or 'other'}.md"


def _index(found: list[Entry]) -> Iterator[str]:
    yield _NOTE
    yield "# Commands\n"
    yield "```text\nsampan [OPTIONS] COMMAND\n```\n"
    yield "The same words are in `sampan COMMAND --help`. Flags that Docker has and that are refused, or only accepted,"
    yield "are told in [flags](../flags.md).\n"
    yield from _flags(OPTIONS)
    for group, title in _TITLES.items():
        yield f"\n## {title}\n\n| command | also | what it does |\n|---|---|---|"
        for entry in (entry for entry in found if entry.group == group):
            others = ", ".join(f"`{name}`" for name in entry.others)
            link = f"{_page(group)}#sampan-{entry.name.replace(' ', '-')}"
            yield f"| [`{entry.name}`]({link}) | {others} | {_escaped(entry.summary)} |"
    yield ""


def _section(entry: Entry) -> str:
    usage = entry.command.collect_usage_pieces(click.Context(entry.command))
    parts = [f"## `sampan {entry.name}`", "\n\n".join(map(_escaped, _paragraphs(entry.command)))]
    parts.append("```text\n" + " ".join(["sampan", entry.name, *usage]) + "\n```")
    if entry.others:
        parts.append("Also " + ", ".join(f"`sampan {name}`" for name in entry.others) + ".")
    if rows := option_rows(entry.command):
        parts.append("\n".join(_flags(rows)))
    return "\n\n".join(parts) + "\n"


def _paragraphs(command: click.Command) -> list[str]:
    return [part.replace("\n", " ") for part in cleandoc(command.help or "").split("\n\n")]


def _flags(rows: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield "| flag | what it does |"
    yield "|---|---|"
    for names, text in rows:
        yield f"| `{names.strip()}` | {_escaped(text)} |"


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\|*_\[\]`{}])", r"\\\1", text)


def main() -> None:
    """Write the pages, and remove those that are none any more."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else _TOP
    directory.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        (directory / name).write_text(text)
    for stray in {path.name for path in directory.glob("*.md")} - set(made):
        (directory / stray).unlink()


if __name__ == "__main__":
    main()
