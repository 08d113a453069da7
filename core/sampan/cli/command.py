"""Make commands with Docker's conventions: its flags, its help, its complaints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import cleandoc
from typing import Any, TypeVar

import click

from sampan.cli import layout
from sampan.cli.context import Context
from sampan.cli.flags import FlagError, Flags, check_arity, spelling
from sampan.cli.names import complete_names

_F = TypeVar("_F", bound=Callable[..., Any])
_WORDS = {"text": "string", "integer": "int", "float": "float", "boolean": "", "path": "string", "filename": "string"}


class Command(click.Command):
    """A command. Its function's return value, when an int, is the exit code.

    ``failure`` is the exit code when a SampanError has none of its own: 125 for what runs containers.
    """

    def __init__(self, name: str | None, *, failure: int = 1, interspersed: bool = True, **more: Any) -> None:
        settings = {"allow_interspersed_args": interspersed, **more.pop("context_settings", {})}
        super().__init__(name, context_settings=settings, **more)
        self.failure = failure

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line. Raises FlagError and ArityError."""
        params = self.get_params(ctx)
        flags = Flags(params, interspersed=ctx.allow_interspersed_args)
        try:
            words = flags.canonical(args, lenient=ctx.resilient_parsing)
            help_option = self.get_help_option(ctx)
            asked = help_option is not None and help_option.name in flags.given
            if not asked and not ctx.resilient_parsing:
                check_arity(params, len(flags.operands))
            return super().parse_args(ctx, words)
        except click.MissingParameter as error:
            raise FlagError(f"required flag {spelling(error.param) if error.param else ''} not set", ctx) from error
        except click.BadParameter as error:
            raise FlagError(_complaint(error, flags), ctx) from error
        except FlagError as error:
            error.ctx = ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        context = ctx.find_object(Context)
        if context is not None:
            context.failure = self.failure
        return super().invoke(ctx)

    def get_usage(self, ctx: click.Context) -> str:
        """Return ``Usage:  sampan rm [OPTIONS] CONTAINER [CONTAINER...]``."""
        return f"Usage:  {ctx.command_path} {' '.join(self.collect_usage_pieces(ctx))}".rstrip()

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what follows the command's name; no ``[OPTIONS]`` where there are none but ``--help``."""
        pieces = ["[OPTIONS]"] if any(_shown(self)) else []
        for param in self.get_params(ctx):
            pieces += param.get_usage_pieces(ctx)
        return pieces

    def get_help(self, ctx: click.Context) -> str:
        """Return the help in Docker's layout."""
        parts = [self.get_usage(ctx), cleandoc(self.help or "").removesuffix(".")]
        if aliases := _aliases(ctx):
            parts.append("Aliases:\n  " + ", ".join(aliases))
        if any(_shown(self)):
            parts.append("Options:\n" + layout.columns(option_rows(self)))
        return "\n\n".join(part for part in parts if part)


def command(name: str | None = None, *, failure: int = 1, interspersed: bool = True, **more: Any) -> Callable[
    [Callable[..., Any]], Command
]:
    """Decorate a function as a Command. ``interspersed`` False leaves all after the first operand to it."""

    def decorate(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=Command, failure=failure, interspersed=interspersed, **more)(function)
        assert isinstance(made, Command)
        complete_names(made)
        return made

    return decorate


def option_rows(command: click.Command) -> list[tuple[str, str]]:
    """Return a command's flags as its help shows them, in order: names with the kind of value, and what it does."""
    return sorted(map(_row, _shown(command)), key=lambda row: row[0].partition("--")[2])


def _shown(command: click.Command) -> Iterable[click.Option]:
    return (param for param in command.params if isinstance(param, click.Option) and not param.hidden)


def _complaint(error: click.BadParameter, flags: Flags) -> str:
    param = error.param
    if param is None or not isinstance(param, click.Option):
        return error.message
    value = flags.given.get(param.name or "", "")
    return f'invalid argument "{value}" for "{spelling(param)}" flag: {error.message.removesuffix(".")}'


def _row(option: click.Option) -> tuple[str, str]:
    short = next((name for name in option.opts if not name.startswith("--")), "")
    long = next((name for name in option.opts if name.startswith("--")), "")
    kind = "" if option.is_flag else option.metavar or _WORDS.get(option.type.name, option.type.name)
    if option.multiple and not option.metavar:
        kind = "list"
    names = f"{short}, {long}" if short and long else f"    {long}" if long else short
    return f"{names} {kind}".rstrip(), option.help or ""


def _aliases(ctx: click.Context) -> Iterable[str]:
    context = ctx.find_object(Context)
    if context is None:
        return []
    first, *words = ctx.command_path.split()
    claims = [claim for claim in context.plugins.claims if claim.slot == "commands"]
    target = next((claim.target for claim in claims if claim.name == ".".join(words)), None)
    names = [f"{first} {claim.name.replace('.', ' ')}" for claim in claims if claim.target == target]
    return sorted(set(names), key=lambda name: (-name.count(" "), name)) if len(names) > 1 else []
