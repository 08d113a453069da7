"""Say what is wrong with a part of the store, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from sampan.errors import SampanError
from sampan.model.image import Image
from sampan.model.reference import familiar


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. ``remedy`` is what the user can do; ``mended`` tells that it is not wrong any more."""

    kind: str
    name: str
    problem: str
    remedy: str
    mended: bool = False


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """A finding not yet confirmed, and how to mend it: possible twice, and harmless where nothing is wrong after all.

    ``mend`` None: nothing can be done here.
    """

    kind: str
    name: str
    problem: str
    remedy: str = ""
    mend: Callable[[], object] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What two looks at the same fault have in common."""
        return self.kind, self.name, self.problem

    def told(self, *, mended: bool = False, failure: str = "") -> Finding:
        """Return it as the user is told; ``failure`` is why it could not be mended."""
        remedy = self.remedy
        if self.mend is not None and not failure and not mended:
            remedy = "--repair mends it"
        elif failure:
            remedy = f"not mended: {failure}" + (f"; {remedy}" if remedy else "")
        return Finding(
            kind=self.kind, name=self.name, problem=self.problem, remedy="mended" if mended else remedy, mended=mended
        )


def unopened(driver: str, error: Exception) -> Suspicion:
    """Return what is to be said of a driver that holds something and cannot be opened."""
    return Suspicion(
        kind="driver", name=driver, problem=f"cannot be opened: {reason(error)}",
        remedy="what it holds cannot be checked; install or enable it",
    )


def shown(image: Image) -> str:
    """Return what a user calls an image: its first name, or its short id."""
    if not image.tags:
        return image.short_id
    repository, _, tag = image.tags[0].rpartition(":")
    return f"{familiar(repository)}:{tag}"


def listed(images: Iterable[Image]) -> str:
    """Return what a user calls several images."""
    return " ".join(sorted(map(shown, images)))


def bring_again(images: Iterable[Image]) -> str:
    """Return the remedy for images whose content is lost."""
    names = listed(images)
    return f"sampan rmi -f {names}; then pull, load or import {'it' if ' ' not in names else 'them'} again"


def reason(error: Exception) -> str:
    """Return an error as part of a line."""
    return str(error) if isinstance(error, SampanError) else f"{type(error).__name__}: {error}"
