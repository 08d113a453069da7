"""Make an image of a container: its image with one more layer, of what the container changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine import changes as instructions
from sampan.engine import diff, events, new_image, pause, tree, undo
from sampan.engine.inspect import container as inspect_container
from sampan.engine.intake import Intake, Taken
from sampan.engine.new_image import NewImage
from sampan.engine.progress import Report
from sampan.engine.timestamps import written
from sampan.model.container import Container, Status
from sampan.model.image import Defaults, Image, ImageConfig, Manifest, decode

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.store.journal import Operation

_PLATFORM = ("architecture", "os", "os.features", "os.version", "variant")


def commit(
    engine: Engine, text: str, name: str, *,
    author: str, message: str, changes: Sequence[str], freeze: bool, report: Report,
) -> Image:  # fmt: skip
    """Make an image of a container; see Engine.commit."""
    reference = new_image.name(name, "refusing to create a tag with a digest reference")
    container = engine.container(text)
    with engine.store.journal.operation("commit", lambda action: undo.undo(engine, action)) as operation:
        parent = _Parent(engine, operation, container)
        configs = _configuration(engine, container, parent, changes)
        taken = _take(engine, operation, container, parent, freeze, report)
        created = time.time()
        made = NewImage(
            config=_document(container, parent, configs, taken, author, message, written(created)),
            layers=[*parent.manifest.layers, *([taken.blob] if taken else ())],
            chains=[*parent.chains, *([taken.chain] if taken else ())],
            size=parent.image.size + (taken.size if taken else 0),
            created=created,
            parent=parent.image.id,
        )
        image = new_image.record(engine, operation, made, reference)
    events.container(engine, container, "commit", comment=message, imageID=image.id, imageRef=str(reference or ""))
    engine.plugins.image_committed(container, str(reference or ""), image.id)
    return image


class _Parent:
    """The image that a container was made from, kept from being removed until the operation ends. Raises NotFound."""

    def __init__(self, engine: Engine, operation: Operation, container: Container) -> None:
        store = engine.store
        operation.lease(store.images.content(container.image_id))
        self.image = store.images.get(container.image_id)
        self.manifest = decode(store.blobs.read(self.image.manifest), Manifest, f"image {self.image.short_id}")
        content = store.blobs.read(self.image.id)
        self.config = decode(content, ImageConfig, f"image {self.image.short_id}")
        self.document: dict[str, Any] = msgspec.json.decode(content)
        self.chains = [chain for chain, _ in store.layers.held(container.storage_driver, self.image.id)]


def _take(
    engine: Engine, operation: Operation, container: Container, parent: _Parent, freeze: bool, report: Report
) -> Taken | None:
    """Take in what the container changed; None when that is nothing."""
    from sampan.engine import unpacking
    from sampan.layers import writer

    with _frozen(engine, container, freeze), tree.opened(engine, container) as root:
        found = diff.changes(engine, container, root)
        if not found:
            return None
        unpacking.check_depth(engine, container.storage_driver, len(parent.chains) + 1)
        below = parent.chains[-1] if parent.chains else None
        intake = Intake(engine, operation, container.storage_driver, below, "Committing", report)
        return intake.make(lambda out: writer.write_changes(root, found, out))


@contextmanager
def _frozen(engine: Engine, container: Container, freeze: bool) -> Iterator[None]:
    if not freeze or container.status is not Status.RUNNING:
        yield
        return
    pause.require_pausing(engine, container, "--pause=false commits it as it runs")
    with pause.paused(engine, container):
        yield


def _configuration(
    engine: Engine, container: Container, parent: _Parent, changes: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the container's configuration, and the image's: the same but for what the instructions change."""
    before = inspect_container.config(engine, container)
    defaults = msgspec.convert(before, Defaults)
    changed = instructions.apply(defaults, changes)
    if not changed.cmd and not changed.entrypoint:
        changed = msgspec.structs.replace(changed, cmd=defaults.cmd, entrypoint=None)  # as Docker does
    after = dict(before)
    for field in msgspec.structs.fields(Defaults):
        value = getattr(changed, field.name)
        if value != getattr(defaults, field.name):
            after[field.encode_name] = value
    return before, after


def _document(
    container: Container, parent: _Parent, configs: tuple[dict[str, Any], dict[str, Any]], taken: Taken | None,
    author: str, message: str, created: str,
) -> dict[str, Any]:  # fmt: skip
    before, after = configs
    entry: dict[str, Any] = {"created": created, "created_by": " ".join((container.path, *container.args))}
    more = {"author": author, "comment": message, "empty_layer": taken is None}
    diff_ids = parent.config.rootfs.diff_ids
    return {
        **{key: parent.document[key] for key in _PLATFORM if key in parent.document},
        **({"author": author} if author else {}),
        "config": after,
        "container": container.id,
        "container_config": before,
        "created": created,
        "history": [*_history(parent.document, len(diff_ids)), {**entry, **{k: v for k, v in more.items() if v}}],
        "rootfs": {"type": "layers", "diff_ids": [*diff_ids, *([taken.diff_id] if taken else ())]},
    }


def _history(document: dict[str, Any], layers: int) -> list[dict[str, Any]]:
    """Return an image's history, which need not tell of every layer, so that what follows is told of the right one."""
    told = list(document.get("history") or ())
    count = sum(not entry.get("empty_layer") for entry in told)
    return [*told, *({} for _ in range(layers - count))]
