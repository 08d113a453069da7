"""Write the help of ``sampan`` and of its groups from the index alone: no command is imported, nor click."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.cli import layout
from sampan.plugin.index import Claim

OPTIONS = (
    ("    --config string", 'Configuration file (default "/etc/sampan/sampan.toml")'),
    ("-D, --debug", "Show a traceback when a command fails"),
    ("-l, --log-level string", 'Accepted for compatibility ("debug", "info", "warn", "error", "fatal")'),
    ("    --registry-driver string", "Registry client to use"),
    ("    --root string", 'Directory for images and containers (default "/var/lib/sampan")'),
    ("    --run-root string", 'Directory for run-time state (default "/run/sampan")'),
    ("    --storage-driver string", "Storage driver to use"),
    ("-v, --version", "Print version information and quit"),
)


def summaries(claims: Sequence[Claim], prefix: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the groups and the commands directly below ``prefix`` (empty, or ending in a dot), with a line each."""
    groups: dict[str, str] = {}
    commands: dict[str, str] = {}
    for claim in claims:
        if claim.slot != "commands" or not claim.name.startswith(prefix):
            continue
        name, dot, _ = claim.name[len(prefix) :].partition(".")
        if dot:
            groups[name] = "Manage Sampan" if name == "system" else f"Manage {name}s"
        else:
            commands[name] = claim.summary
    return dict(sorted(groups.items())), {k: v for k, v in sorted(commands.items()) if k not in groups}


def text(claims: Sequence[Claim], path: str = "sampan", prefix: str = "") -> str:
    """Return the help of the group that ``path`` names."""
    groups, commands = summaries(claims, prefix)
    top = not prefix
    about = "A container engine whose every part can be swapped" if top else _about(prefix)
    parts = [f"Usage:  {path} {'[OPTIONS] ' if top else ''}COMMAND", about]
    wide = max((len(name) for name in (*groups, *commands)), default=0)
    for title, table in (("Management Commands", groups), ("Commands", commands)):
        if table:
            parts.append(f"{title}:\n" + layout.columns([(f"{k:<{wide}}", v) for k, v in table.items()], 2))
    if top:
        parts.append("Global Options:\n" + layout.columns(OPTIONS))
    parts.append(f"Run '{path} COMMAND --help' for more information on a command.")
    return "\n\n".join(parts)


def _about(prefix: str) -> str:
    name = prefix.removesuffix(".").rpartition(".")[2]
    return "Manage Sampan" if name == "system" else f"Manage {name}s"
