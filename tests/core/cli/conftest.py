"""A Context on given claims, and a runner that treats a command as the shell does."""

import click
import pytest

from sampan.cli.context import Context
from sampan.config import Settings
from sampan.plugin.manager import Plugins


class Outcome:
    def __init__(self, result=None, error=None):
        self.result, self.error = result, error

    @property
    def complaint(self):
        return self.error.format_message().partition("\n")[0]


@pytest.fixture
def invoke():
    """Call with a command and its words; returns what the function returned, or how it was refused."""

    def run(command, *words, path="sampan run"):
        context = Context(Plugins(Settings(), claims=()))
        try:
            with command.make_context(path, list(words), obj=context) as ctx:
                return Outcome(command.invoke(ctx))
        except click.UsageError as error:
            return Outcome(error=error)

    return run
