"""Pull an image and print what Docker prints meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.progress import Progress
    from sampan.engine.progress import Event
    from sampan.engine.pull import Pulled


def pull(context: Context, reference: str, *, platform: str, out: TextIO, quiet: bool = False) -> Pulled:
    """Pull what a reference names; progress and result go to ``out`` unless ``quiet``."""
    if quiet:
        return context.engine.pull(reference, platform=platform)
    from sampan.cli.progress import Progress

    with Progress(out) as progress:
        pulled = context.engine.pull(reference, platform=platform, report=_report_to(progress))
        progress.line(f"Digest: {pulled.digest}")
        progress.line(_status(pulled.reference.familiar, pulled.fresh))
    return pulled


def pull_all(context: Context, repository: str, *, platform: str, out: TextIO, quiet: bool = False) -> None:
    """Pull what each tag of a repository stands for; progress and result go to ``out`` unless ``quiet``."""
    if quiet:
        for _ in context.engine.pull_all(repository, platform=platform):
            pass
        return
    from sampan.cli.progress import Progress

    fresh = False
    with Progress(out) as progress:
        for pulled in context.engine.pull_all(repository, platform=platform, report=_report_to(progress)):
            progress.line(f"Digest: {pulled.digest}")
            fresh = fresh or pulled.fresh
        progress.line(_status(repository, fresh))


def _report_to(progress: Progress) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if event.action.startswith("Pulling from"):
            progress.line(f"{event.id}: {event.action}")
        else:
            progress.update(event.id, event.action, event.current, event.total)

    return report


def _status(name: str, fresh: bool) -> str:
    return f"Status: {'Downloaded newer image' if fresh else 'Image is up to date'} for {name}"
