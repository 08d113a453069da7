"""Pull an image and print what Docker prints meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.engine.progress import Event
    from sampan.engine.pull import Pulled


def pull(context: Context, reference: str, *, platform: str, out: TextIO, quiet: bool = False) -> Pulled:
    """Pull what a reference names; progress and result go to ``out`` unless ``quiet``."""
    if quiet:
        return context.engine.pull(reference, platform=platform)
    from sampan.cli.progress import Progress

    with Progress(out) as progress:

        def report(event: Event) -> None:
            if event.action.startswith("Pulling from"):
                progress.line(f"{event.id}: {event.action}")
            else:
                progress.update(event.id, event.action, event.current, event.total)

        pulled = context.engine.pull(reference, platform=platform, report=report)
    name = pulled.reference.familiar
    verdict = "Downloaded newer image for" if pulled.fresh else "Image is up to date for"
    out.write(f"Digest: {pulled.digest}\nStatus: {verdict} {name}\n")
    out.flush()
    return pulled
