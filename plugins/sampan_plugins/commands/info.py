"""Display system-wide information."""

from __future__ import annotations

import sys
from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command
from sampan.cli.context import Context, pass_context


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``info``."""
    return info


@command("info")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
@pass_context
def info(context: Context, form: str) -> None:
    """Display system-wide information."""
    found = context.engine.info()
    if form:
        from sampan.cli.gotemplate import WRONG, Template

        template = Template("{{json .}}" if form == "json" else form, exit_code=WRONG)
        sys.stdout.write(template.render(found, strict=True) + "\n")
        return
    sys.stdout.write("\n".join(_lines(found)) + "\n")


def _lines(found: dict[str, Any]) -> list[str]:
    from sampan.cli.units import binary_size

    plugins = [f"  {slot}: {' '.join(names)}" for slot, names in found["Plugins"].items()]
    return [
        f"Containers: {found['Containers']}",
        f" Running: {found['ContainersRunning']}",
        f" Paused: {found['ContainersPaused']}",
        f" Stopped: {found['ContainersStopped']}",
        f"Images: {found['Images']}",
        f"Server Version: {found['ServerVersion']}",
        f"Storage Driver: {found['Driver']}",
        f"Logging Driver: {found['LoggingDriver']}",
        f"Cgroup Version: {found['CgroupVersion']}",
        "Plugins:",
        *plugins,
        f"Runtimes: {' '.join(found['Runtimes'])}",
        f"Default Runtime: {found['DefaultRuntime']}",
        f"Default Network: {found['DefaultNetwork']}",
        f"Kernel Version: {found['KernelVersion']}",
        f"Operating System: {found['OperatingSystem']}",
        f"OSType: {found['OSType']}",
        f"Architecture: {found['Architecture']}",
        f"CPUs: {found['NCPU']}",
        f"Total Memory: {binary_size(found['MemTotal'])}",
        f"Name: {found['Name']}",
        f"Root Dir: {found['RootDir']}",
        f"Run Root: {found['RunRoot']}",
    ]
