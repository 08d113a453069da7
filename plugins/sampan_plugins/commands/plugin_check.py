"""Check that a plugin keeps its contract."""

from __future__ import annotations

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput, NotFound, PluginFault, Unsupported
from sampan.plugin import slots
from sampan.plugin.manager import Plugins


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``plugin check``."""
    return plugin_check


@command("check")
@click.option("--exitfirst", "-x", is_flag=True, help="End at the first failure")
@click.option("--image", metavar="string", default="", help="A registry client's image: HOST/REPOSITORY:TAG")
@click.option("--keyword", "-k", metavar="string", default="", help="Only the checks whose names match, as pytest's -k")
@click.option(
    "--opt", "-o", "options", metavar="list", multiple=True, help="Options that volumes are made, and logs opened with"
)
@click.option("--push", metavar="string", default="", help="Where a registry client may push: HOST/PATH")
@click.argument("words", metavar="[SLOT] NAME", nargs=-1, required=True)
@pass_context
def plugin_check(
    context: Context, words: tuple[str, ...], exitfirst: bool, keyword: str, options: tuple[str, ...], image: str,
    push: str,
) -> int:
    """Check that a plugin keeps its contract.

    The plugin is opened as it is configured, and held to the suite of its slot, on directories, networks and containers
    of its own. It takes root, and pytest.
    """
    import msgspec

    slot, name = _named(context.plugins, words)
    if slot == "registries" and not image and not push:
        raise InvalidInput("a registry client needs a registry to be checked on", "give --image, --push or both")
    request = {
        "slot": slot, "name": name, "settings": context.settings, "options": dict(map(_pair, options)), "image": image,
        "push": push,
    }  # fmt: skip
    choice = [*(["-x"] if exitfirst else []), *(["-k", keyword] if keyword else [])]
    code = _run([msgspec.json.encode(request).decode(), *choice])
    if code == 1:
        raise PluginFault(f"{slot}/{name} does not keep its contract")
    if code == 5:
        raise InvalidInput(f"{slot}/{name} has no check whose name matches {keyword!r}")
    return int(bool(code))  # what else there is to say was said


def _named(plugins: Plugins, words: tuple[str, ...]) -> tuple[str, str]:
    """Return the slot and the entry point that SLOT NAME, SLOT/NAME or NAME means."""
    slot, slash, name = words[0].partition("/")
    if slash and len(words) == 1:
        return slot, plugins.find(slot, _point(slot, name)).name
    if len(words) > 1:
        slots.get(words[0])
        return words[0], plugins.find(words[0], _point(words[0], ".".join(words[1:]))).name
    found = sorted({claim.slot for claim in plugins.claims if claim.name == words[0]})
    if not found:
        raise NotFound(f'no plugin named "{words[0]}"', '"sampan plugin ls" shows those there are')
    if len(found) > 1:
        raise InvalidInput(f'several plugins are named "{words[0]}"', f"name the slot: {', '.join(found)}")
    return found[0], plugins.find(found[0], words[0]).name


def _point(slot: str, name: str) -> str:
    return name.replace(" ", ".") if slot == "commands" else name


def _pair(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not key or not equals:
        raise InvalidInput(f'invalid option "{option}"', "write it as KEY=VALUE")
    return key, value


def _run(words: list[str]) -> int:
    """Run the suites in a process of their own: they fork, change namespaces and end as they must."""
    import subprocess
    import sys
    from importlib.util import find_spec

    if find_spec("pytest") is None:
        raise Unsupported("checking a plugin takes pytest, which is not installed", "pip install sampan[testing]")
    return subprocess.run([sys.executable, "-P", "-m", "sampan.testing", *words], check=False).returncode
