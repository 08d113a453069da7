"""Generate the autocompletion script for the specified shell."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput

_SHELLS = ("bash", "fish", "zsh")


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``completion``."""
    return completion


@command("completion")
@click.argument("shell", metavar="bash|fish|zsh")
@pass_context
def completion(context: Context, shell: str) -> None:
    """Generate the autocompletion script for the specified shell.

    For bash: source <(sampan completion bash), or keep it in /etc/bash_completion.d/sampan. Commands, flags and the
    names of containers and images are completed.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell) if shell in _SHELLS else None
    if found is None:
        raise InvalidInput(f'unknown shell "{shell}": must be one of "bash", "fish", "zsh"')
    # Not .source(), which runs the shell to learn its version.
    script = found(click.Command("sampan"), {}, "sampan", "_SAMPAN_COMPLETE")
    sys.stdout.write(script.source_template % script.source_vars())
