"""Generate the autocompletion script for the specified shell."""

from __future__ import annotations

import sys

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.errors import InvalidInput

_SHELLS = ("bash", "fish", "zsh")
# click's own, but for words that hold ":" or "=". bash takes those apart (COMP_WORDBREAKS), and a tag would not be
# completed: pieces that nothing separates are put together again, and what is before the last is not answered again.
_BASH = """\
%(complete_func)s() {
    local IFS=$' \\t\\n' piece rest=$COMP_LINE glued="" words=()
    for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ $glued ]]; then words[-1]+=$piece; else words+=("$piece"); fi
        rest=${rest#*"$piece"}
        glued=1
        [[ -z $rest || $rest == [[:space:]]* ]] && glued=""
    done
    piece=${COMP_WORDS[COMP_CWORD]}
    [[ $piece == [:=] ]] && piece=""
    local before=${words[-1]%%"$piece"} type value
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


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
    names of containers, images, networks, volumes and plugins are completed.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell) if shell in _SHELLS else None
    if found is None:
        raise InvalidInput(f'unknown shell "{shell}": must be one of "bash", "fish", "zsh"')
    # Not .source(), which runs the shell to learn its version.
    script = found(click.Command("sampan"), {}, "sampan", "_SAMPAN_COMPLETE")
    sys.stdout.write((_BASH if shell == "bash" else script.source_template) % script.source_vars())
