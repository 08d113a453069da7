"""Give an image another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.engine import events
from sampan.errors import InvalidInput
from sampan.model import reference as references

if TYPE_CHECKING:
    from sampan.engine.engine import Engine
    from sampan.model.digest import Digest
    from sampan.model.reference import Reference

_ALGORITHMS = ("sha256", "sha384", "sha512")


def tag(engine: Engine, source: str, target: str) -> None:
    """Make ``target`` name the image that ``source`` names; what it named before stays, without that name.

    Raises NotFound, and InvalidInput for a target that is a digest or could be taken for one.
    """
    reference = _target(target)
    images = engine.store.images
    with engine.store.database.transaction() as cursor:
        image = engine.image(source)
        images.tag(cursor, reference, image.id, _manifest(engine, source))
    events.image(engine, "tag", image.id, reference.familiar)
    engine.plugins.image_tagged(str(reference), image.id)


def _manifest(engine: Engine, source: str) -> Digest | None:
    """Return the manifest that the image came as under the name it is called by here; None for an id."""
    try:
        return engine.store.images.manifest_of(references.parse(source))
    except InvalidInput:
        return None


def _target(text: str) -> Reference:
    try:
        reference = references.parse(text).with_default_tag()
    except InvalidInput as error:
        raise InvalidInput(f'"{text}" is not a valid repository/tag: {error.message}') from error
    if reference.digest:
        raise InvalidInput("refusing to create a tag with a digest reference")
    if reference.familiar_repository in _ALGORITHMS:
        raise InvalidInput("refusing to create an ambiguous tag using digest algorithm as name")
    return reference
