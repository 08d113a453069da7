"""The suites for commands and for plugins notice each of these mistakes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from tests.core.testing.noticing import noticed

RIGHT = '''
"""Count things."""
import click
from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import pass_context
from sampan.errors import NotFound

@hookimpl
def sampan_open_command(name):
    return count

@command("count")
@click.option("--all", "-a", is_flag=True, help="Count all")
@click.argument("what", metavar="WHAT")
@pass_context
def count(context, what, **flags):
    """Count things."""
    context.engine.containers()
    raise NotFound(f"no such thing: {what}")
'''
LOOKS = "    context.engine.containers()\n"
HIDES = '    try:\n        context.engine.containers()\n    except Exception:\n        '
FLAGS, FAILURE = "test_every_flag_is_spelt_and_explained_as_others_are", "test_a_failure_is_one_line_and_a_code"
MISTAKES = {
    "prints tracebacks": ((LOOKS, HIDES + "import traceback; traceback.print_exc(); return 1\n"),
                          "count", FAILURE),
    "says nothing": ((LOOKS, HIDES + "return 1\n"), "count", FAILURE),
    "says much": ((LOOKS, HIDES + "print('a\\nb', file=__import__('sys').stderr); raise\n"),
                  "count", FAILURE),
    "has codes of its own": ((LOOKS, HIDES + "raise SystemExit(3)\n"),
                             "count", FAILURE),
    "has a bug": ((LOOKS, "    {}['x']\n"), "count", FAILURE),
    "does not explain a flag": ((', help="Count all"', ""), "count", FLAGS),
    "spells a flag oddly": (('"--all"', '"--All_Things"'), "count", FLAGS),
    "has click's manners": (('@command("count")', '@click.command("count")'), "count", "test_an_unknown_flag_is_125"),
    "takes any number": (('metavar="WHAT"', 'metavar="WHAT", required=False'), "count", ""),
    "has another line in the overview": (('    """Count things."""', '    """Count stars."""'),
                                         "count", "test_the_line_in_the_overview_is_the_beginning_of_its_help"),
    "loads much": (("import click\n", "import click, asyncio\n"),
                   "count", "test_help_loads_nothing_heavy_and_no_driver"),
    "hides a command": (("", ""), "run.count", "test_no_group_has_the_name_and_no_command_that_of_its_group"),
    "is hidden by a group": (("", ""), "container", "test_no_group_has_the_name_and_no_command_that_of_its_group"),
    "has a name in capitals": (("", ""), "Count", "test_the_name_is_made_of_words"),
    "takes a name that is taken": (("", ""), "tag", "test_one_distribution_claims_the_name"),
}  # fmt: skip


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def install(points: str, source: str) -> None:
        info = tmp_path / "site/acme-1.dist-info"
        info.mkdir(parents=True)
        (tmp_path / "site/acme_plugin.py").write_text(dedent(source).lstrip())
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
        (info / "entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        monkeypatch.setenv("SAMPAN_CACHE_DIR", str(tmp_path / "cache"))

    return install


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_noticed(install, mistake: str, tmp_path: Path) -> None:
    change, name, test = MISTAKES[mistake]
    assert change[0] in RIGHT
    install(f"[sampan.commands]\n{name} = acme_plugin\n", RIGHT.replace(*change) if change[0] else RIGHT)
    assert noticed("Command", name, test or "test", tmp_path) == ({test} if test else set())


def test_a_right_one_passes(install, tmp_path: Path) -> None:
    install("[sampan.commands]\ncount = acme_plugin\n", RIGHT)
    assert noticed("Command", "count", "test", tmp_path) == set()


LOGS = '''
"""Keep nothing."""
from sampan import hookimpl
from sampan.errors import InvalidInput

@hookimpl
def sampan_open_logs(name, options):
    for option in options:
        raise InvalidInput(option)
    from sampan_plugins.logs.none.driver import NoneLogDriver
    return NoneLogDriver()
'''
PLUGINS = {
    "": ("", "", "test"),
    "ignores options": ("raise InvalidInput(option)", "pass", "test_an_option_that_nobody_knows_is_refused"),
    "returns something else": ("return NoneLogDriver()", "return NoneLogDriver", "test_it_opens_what_its_slot_is_for"),
    "misspells the hook": ("sampan_open_logs", "sampan_open_log", "test_its_hooks_fit"),
    "asks for what there is not": ("(name, options)", "(name, options, colour)", "test_its_hooks_fit"),
    "does not say what it is": ('"""Keep nothing."""\n', "", "test_it_tells_what_it_is"),
    "loads much": ("from sampan import hookimpl\n", "from sampan import hookimpl\nimport asyncio\n",
                   "test_being_found_loads_nothing_heavy"),
    "cannot be loaded": ("from sampan import hookimpl\n", "from sampan import hookimpl\nimport nothing_of_the_kind\n",
                         "test_its_hooks_fit"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PLUGINS)
def test_mistakes_of_plugins_are_noticed(install, mistake: str, tmp_path: Path) -> None:
    before, after, test = PLUGINS[mistake]
    assert before in LOGS
    install("[sampan.logs]\nacme = acme_plugin\n", LOGS.replace(before, after) if before else LOGS)
    assert noticed("Plugin", "logs/acme", test, tmp_path) == ({test} if mistake else set())
