"""Make click groups out of entry-point names, loading one command: the one asked for."""

from __future__ import annotations

from typing import Any

import click

from sampan.cli import overview
from sampan.cli.context import Context, warn
from sampan.cli.flags import FlagError, Flags
from sampan.cli.names import Names


class UnknownCommand(click.UsageError):
    """No plugin has a command of that name."""

    exit_code = 1

    def format_message(self) -> str:
        """Return the complaint in Docker's wording."""
        assert self.ctx is not None
        path = self.ctx.command_path
        return (
            f"{path.split()[0]}: unknown command: {path} {self.message}\n\nRun '{path} --help' for more information"
        )

    def show(self, file: object = None) -> None:
        """Print it on standard error."""
        click.echo(self.format_message(), err=True)


class Group(click.Group):
    """The commands whose names begin with ``prefix``: empty at the top, else words that end in a dot."""

    def __init__(self, prefix: str = "", **more: Any) -> None:
        super().__init__(
            add_help_option=True, context_settings={"allow_interspersed_args": False},
            invoke_without_command=True, **more,
        )
        self.prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of groups and commands, sorted, without importing any."""
        groups, commands = overview.summaries(_plugins(ctx).claims, self.prefix)
        return sorted({*groups, *commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command, or make the group of that name; None when there is neither."""
        plugins = _plugins(ctx)
        name = self.prefix + cmd_name
        names = plugins.names("commands")
        if "." not in cmd_name and any(other.startswith(f"{name}.") for other in names):
            return Group(f"{name}.", name=cmd_name)
        return plugins.open_command(name) if name in names and "." not in cmd_name else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` begin with. Raises UnknownCommand, naming the nearest there is."""
        found = self.get_command(ctx, args[0])
        if found is None and not ctx.resilient_parsing:
            raise UnknownCommand(args[0] + self._nearest(ctx, args[0]), ctx)
        return (args[0] if found else None), found, args[1:]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags before the command's name. Raises FlagError."""
        flags = Flags(self.get_params(ctx), interspersed=False)
        try:
            return super().parse_args(ctx, flags.canonical(args, operands=False, lenient=ctx.resilient_parsing))
        except FlagError as error:
            error.ctx = ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command named, or print the help when none is."""
        result = super().invoke(ctx)
        if ctx.invoked_subcommand is None:
            click.echo(self.get_help(ctx))
            return 0
        return result

    def get_usage(self, ctx: click.Context) -> str:
        """Return ``Usage:  sampan [OPTIONS] COMMAND``."""
        return f"Usage:  {ctx.command_path} {'' if self.prefix else '[OPTIONS] '}COMMAND"

    def get_help(self, ctx: click.Context) -> str:
        """Return the overview of the group, from the index."""
        return overview.text(_plugins(ctx).claims, ctx.command_path, self.prefix)

    def _nearest(self, ctx: click.Context, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name, self.list_commands(ctx), 1, 0.5)
        return f' (did you mean "{near[0]}"?)' if near else ""


def root() -> Group:
    """Return the top of the command tree, with the global flags. Invoking it puts a Context in ``ctx.obj``."""
    options = [
        click.Option(["--config"]),
        click.Option(["--debug", "-D"], is_flag=True),
        click.Option(["--log-level", "-l"]),
        click.Option(["--registry-driver"], type=Names("registries")),
        click.Option(["--root"]),
        click.Option(["--run-root"]),
        click.Option(["--storage-driver"], type=Names("storage")),
        click.Option(["--version", "-v"], is_flag=True),
    ]
    return Root(params=options, name="sampan")


class Root(Group):
    """The top of the command tree."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the global flags, the settings with them, and put the Context in place."""
        rest = super().parse_args(ctx, args)
        given = ctx.params
        if ctx.obj is None:
            said = ("config", "root", "run_root", "storage_driver", "registry_driver")
            ctx.obj = open_context(*(given[name] for name in said), debug=given["debug"])
            ctx.call_on_close(ctx.obj.close)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Print the version, or go on."""
        if ctx.params["version"]:
            from sampan.cli.main import VERSION

            click.echo(VERSION)
            return 0
        return super().invoke(ctx)


def open_context(
    config: str | None = None,
    root: str | None = None,
    run_root: str | None = None,
    storage_driver: str | None = None,
    registry_driver: str | None = None,
    *,
    debug: bool = False,
) -> Context:
    """Return the Context for what the global flags say. Raises what ``config.load`` raises."""
    from sampan.config import load
    from sampan.plugin.manager import Plugins

    settings = load(
        config, root=root, run_root=run_root, storage_driver=storage_driver, registry_driver=registry_driver
    )
    return Context(Plugins(settings, warn=warn), debug=debug)


def _plugins(ctx: click.Context) -> Any:
    context = ctx.find_object(Context)
    if context is None:
        context = open_context()
        ctx.find_root().obj = context
    return context.plugins
