"""Choose one platform's image from an index, as Docker does."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.errors import NotFound, Unsupported
from sampan.model import platform as platforms
from sampan.model.descriptor import Descriptor
from sampan.model.image import ImageConfig, Index
from sampan.model.platform import Platform


def wanted(text: str) -> Platform:
    """Return the platform asked for, or this machine's when nothing was. Raises InvalidInput."""
    return platforms.parse(text) if text else platforms.normalize(platforms.host())


def choose(index: Index, wanted: Platform) -> Descriptor:
    """Return the manifest that serves a platform best. Raises NotFound, in Docker's words.

    The very variant first, then an unnamed one, then lesser ones from the highest down; a manifest that names
    no platform at all serves when no other does, and its configuration decides.
    """
    ranked = sorted(
        ((rank, position) for position, entry in enumerate(index.manifests) if (rank := _rank(entry, wanted)) >= 0),
    )
    if not ranked:
        raise NotFound(f"no matching manifest for {wanted} in the manifest list entries")
    return index.manifests[ranked[0][1]]


def check_any(config: ImageConfig, texts: Sequence[str], name: str) -> None:
    """Refuse an image that is for none of the platforms named; where none is named, any will do."""
    refusals = []
    for text in texts:
        try:
            return check(config, wanted(text), asked=True, name=name)
        except NotFound as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]
    return None


def check(config: ImageConfig, wanted: Platform, asked: bool, name: str) -> None:
    """Refuse an image for another operating system, and one for another platform than was ``asked`` for by name.

    An image of another architecture that nobody asked about passes, as in Docker: emulation may be set up.
    """
    if config.os and config.os != "linux":
        raise Unsupported(
            f'image operating system "{config.os}" cannot be used on this platform: operating system is not supported'
        )
    if asked and config.architecture and _rank_of(config.platform, wanted) < 0:
        raise NotFound(
            f"image with reference {name} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {config.platform}"
        )


_UNNAMED = 1000


def _rank(entry: Descriptor, wanted: Platform) -> int:
    return _UNNAMED if entry.platform is None else _rank_of(entry.platform, wanted)


def _rank_of(offered: Platform, wanted: Platform) -> int:
    """Return how far an offer is from what is wanted; -1 when it will not do."""
    want, have = platforms.normalize(wanted), platforms.normalize(offered)
    if (want.os, want.architecture) != (have.os, have.architecture):
        return -1
    if want.variant == have.variant:
        return 0
    if not offered.variant:
        return 1
    # Variants grow: armv7 runs v6 and v5, amd64/v3 runs v2.
    mine, theirs = _level(want.variant), _level(have.variant)
    return 1 + mine - theirs if 0 < theirs < mine else -1


def _level(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits.isdigit() else 0
