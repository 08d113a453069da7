"""Show the Sampan version information."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import click

from sampan import hookimpl
from sampan.cli.command import command


@hookimpl
def sampan_open_command(name: str) -> click.Command:
    """Open ``version``."""
    return version


@command("version")
@click.option("--format", "-f", "form", metavar="string", default="", help='Print by a Go template, or "json"')
def version(form: str) -> None:
    """Show the Sampan version information."""
    from sampan import __version__
    from sampan.model.platform import host

    machine = host()
    common = {"Version": __version__, "Os": machine.os, "Arch": machine.architecture}
    found: dict[str, Any] = {
        "Client": {**common, "PythonVersion": platform.python_version()},
        "Server": {**common, "KernelVersion": os.uname().release, "PythonVersion": platform.python_version()},
    }
    if form:
        from sampan.cli.gotemplate import WRONG, Template

        text = Template("{{json .}}" if form == "json" else form, exit_code=WRONG).render(found, strict=True)
        sys.stdout.write(text + "\n")
        return
    lines = [
        "Client:",
        f" Version:           {__version__}",
        f" Python version:    {platform.python_version()}",
        f" OS/Arch:           {machine.os}/{machine.architecture}",
        "",
        "Engine (in this process, there is no server):",
        f" Version:           {__version__}",
        f" Kernel version:    {os.uname().release}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
