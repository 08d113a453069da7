"""Write docs/reference from the commands themselves, one page to a group, and from the doors of the engine.

Usage: reference.py [DIRECTORY]
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent

import click

from sampan.cli.command import option_rows
from sampan.cli.overview import OPTIONS
from sampan.config import Settings
from sampan.engine.doors.base import Doors
from sampan.engine.engine import Engine
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
    made["engine.md"] = "\n".join(_engine())
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


def _engine() -> Iterator[str]:
    yield "<!-- Made by contrib/docs/reference.py from the engine: change that, then `make reference`. -->\n"
    yield "# Engine\n"
    yield "What `sampan.Engine` does; [the Python API](../python-api.md) shows it at work. All raise what derives from"
    yield "`sampan.errors.SampanError`.\n"
    for doors in Engine.__mro__:
        if doors.__module__.startswith("sampan.engine.doors.") and doors is not Doors:
            yield f"## {doors.__name__}\n\n{_prose(doors)}\n"
            for name, method in vars(doors).items():
                if inspect.isfunction(method) and not name.startswith("_"):
                    yield f"### `{name}`\n\n```python\n{_signature(name, method)}\n```\n\n{_prose(method)}\n"


def _signature(name: str, method: Callable[..., object]) -> str:
    (found,) = ast.parse(dedent(inspect.getsource(method))).body
    assert isinstance(found, ast.FunctionDef) and found.returns
    arguments = re.sub(r"^self(, )?", "", ast.unparse(found.args))
    return f"{name}({arguments}) -> {ast.unparse(found.returns)}"


def _prose(documented: object) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", inspect.getdoc(documented) or "")


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
