"""Check a command against what ``docs/hooks.md`` and Docker's conventions ask of commands.

A plugin's test subclasses CommandSuite and provides one fixture, the name of the command's entry point::

    class TestHello(CommandSuite):
        @pytest.fixture
        def name(self):
            return "hello"          # or "container.hello", for "sampan container hello"

The plugin has to be installed, for commands are found by their entry points. Commands run in processes of their own,
on a store that is not there or cannot be: what they do when all is well is for the plugin's other tests.
"""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import click
import pytest

from sampan.config import Settings
from sampan.plugin.manager import Plugins
from sampan.testing.commandline import Done, Sampan
from sampan.testing.plugin import HEAVY

_PROBE = """
import atexit, json, os, sys
if child := os.fork():
    os.waitpid(child, 0)
else:  # what finds plugins when no index is there is not the command's fault
    from sampan.plugin import index
    index.load()
    os._exit(0)
sys.argv = ["sampan", *sys.argv[1:]]
atexit.register(lambda: sys.stderr.write(json.dumps(sorted(sys.modules))))
from sampan.cli.main import main
main()
"""


class CommandSuite:
    """The conventions of commands as tests. Subclasses give the fixture ``name``."""

    @pytest.fixture
    def name(self) -> str:
        """Return the name of the command's entry point; derived classes provide it."""
        raise NotImplementedError("a command's test provides the fixture name")

    @pytest.fixture
    def heavy(self) -> Collection[str]:
        """Return the modules that the command's help must not load; a derived class may add its own."""
        return HEAVY

    @pytest.fixture
    def plugins(self) -> Plugins:
        """Return what is installed."""
        return Plugins(Settings())

    @pytest.fixture
    def command(self, plugins: Plugins, name: str) -> click.Command:
        """Open the command."""
        return plugins.open_command(name)

    @pytest.fixture
    def words(self, name: str) -> list[str]:
        """Return the words that the command is called by."""
        return name.split(".")

    @pytest.fixture
    def sampan(self, tmp_path: Path) -> Sampan:
        """Return what runs command lines, on a store that is not there yet."""
        return Sampan(tmp_path)

    # Its name

    def test_the_name_is_made_of_words(self, name: str) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*", name), "a dot between words in lower case"

    def test_one_distribution_claims_the_name(self, plugins: Plugins, name: str) -> None:
        found = [claim for claim in plugins.claims if (claim.slot, claim.name) == ("commands", name)]
        assert len(found) == 1, f"claimed by {found}: using it is an error until the user pins one"

    def test_no_group_has_the_name_and_no_command_that_of_its_group(self, plugins: Plugins, name: str) -> None:
        others = plugins.names("commands")
        hiding = [other for other in others if other.startswith(f"{name}.")]
        assert hiding == [], "a group of that name is found in its place"
        words = name.split(".")
        hidden = {".".join(words[:number]) for number in range(1, len(words))} & set(others)
        assert hidden == set(), "a command with the name of its group is found no more"

    # Its help

    def test_the_line_in_the_overview_is_the_beginning_of_its_help(
        self, plugins: Plugins, name: str, command: click.Command
    ) -> None:
        line = (command.help or "").strip().partition("\n")[0].removesuffix(".")
        assert line and line == plugins.find("commands", name).summary, "the module's documentation begins with it"

    def test_every_flag_is_spelt_and_explained_as_others_are(self, command: click.Command) -> None:
        seen: list[str] = []
        for option in (param for param in command.params if isinstance(param, click.Option)):
            seen += [*option.opts, *option.secondary_opts]
            long = [spelt for spelt in option.opts if spelt.startswith("--")]
            assert long and all(re.fullmatch(r"--[a-z0-9][a-z0-9-]*", spelt) for spelt in long), option.opts
            assert all(re.fullmatch(r"-[a-zA-Z0-9]", spelt) for spelt in option.opts if spelt not in long), option.opts
            assert option.hidden or (option.help or "").strip(), f"{option.opts} has no help"
            assert "\n" not in (option.help or "").strip(), f"the help of {option.opts} is one line"
        assert len(seen) == len(set(seen)), "a flag is there twice"

    def test_help_goes_to_standard_output(self, sampan: Sampan, words: list[str], command: click.Command) -> None:
        done = sampan.run(*words, "--help")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"Usage:  sampan {' '.join(words)}"), done.out
        for option in (param for param in command.params if isinstance(param, click.Option) and not param.hidden):
            assert option.opts[-1] in done.out

    def test_help_makes_nothing(self, sampan: Sampan, words: list[str]) -> None:
        sampan.run(*words, "--help")
        assert not sampan.root.exists() and not sampan.run_root.exists(), "help needs no store"

    def test_help_that_nobody_reads_ends_quietly(self, sampan: Sampan, words: list[str]) -> None:
        done = sampan.run(*words, "--help", unread=True)
        assert done.code in (0, 141) and done.err == "", done

    def test_help_loads_nothing_heavy_and_no_driver(
        self, plugins: Plugins, words: list[str], heavy: Collection[str], sampan: Sampan
    ) -> None:
        line = [sys.executable, "-c", _PROBE, *sampan.flags, *words, "--help"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(line, capture_output=True, text=True, cwd="/", env=environment, check=False)
        assert done.returncode == 0, done.stderr
        loaded = set(json.loads(done.stderr))
        assert loaded & set(heavy) == set(), "import it in the function that needs it"
        drivers = {claim.module for claim in plugins.claims if claim.slot not in ("commands", "extensions")}
        assert loaded & drivers == set()

    def test_its_words_can_be_completed(self, plugins: Plugins, command: click.Command, sampan: Sampan) -> None:
        with sampan.context(plugins, command) as ctx:
            for param in command.params:
                assert isinstance(param.shell_complete(ctx, "x"), list)

    # Its failures

    def test_an_unknown_flag_is_125(self, sampan: Sampan, words: list[str]) -> None:
        done = sampan.run(*words, "--no-such-flag")
        assert done.code == 125, done
        assert done.out == "" and done.err.startswith("unknown flag: --no-such-flag\n"), done

    def test_a_wrong_number_of_arguments_is_1(
        self, sampan: Sampan, words: list[str], command: click.Command
    ) -> None:
        arguments = [param for param in command.params if isinstance(param, click.Argument)]
        if any(argument.nargs < 0 for argument in arguments):
            if not any(argument.required for argument in arguments):
                return
            given = []
        else:
            given = ["x"] * (sum(argument.nargs for argument in arguments) + 1)
        done = sampan.run(*words, *given)
        assert done.code == 1 and done.out == "", done
        assert f"Usage:  sampan {' '.join(words)}" in done.err, done

    def test_a_failure_is_one_line_and_a_code(self, sampan: Sampan, words: list[str], command: click.Command) -> None:
        sampan.break_store()
        self._check_failure(sampan.run(*words, *operands(command)))

    def _check_failure(self, done: Done) -> None:
        assert done.ended, f"it went on for ever: {done}"
        assert "Traceback" not in done.out + done.err, done.err
        if done.code == 0:
            return  # it needs no store
        assert done.code in (1, 125, 126, 127), "1, 125 for what runs containers, 126 and 127 for their commands"
        assert done.err, "it does not say why it failed"
        *before, last = done.err.splitlines()
        assert last.startswith(("Error: ", "sampan: ")) and "this is a bug" not in last, done.err
        assert all(line.startswith(("Error: ", "WARNING: ")) for line in before), done.err


def operands(command: click.Command) -> Sequence[str]:
    """Return as many words as a command demands."""
    arguments = [param for param in command.params if isinstance(param, click.Argument) and param.required]
    return ["no-such-thing" for argument in arguments for _ in range(abs(argument.nargs))]
