"""Find out whether overlays can be mounted on a directory's file system, once per root."""

from __future__ import annotations

import os
import stat

from sampan.errors import Unsupported
from sampan.layers import removal
from sampan.model.mount import Mount
from sampan.naive import mounted

OPTIONS = ("index=off", "metacopy=off", "redirect_dir=nofollow")
"""What keeps an upper directory free of anything but the container's changes.

With these a renamed directory is copied, a changed file is whole, and every change is where it seems to be.
"""

MOST_LAYERS = 500
"""Linux's limit, OVL_MAX_STACK."""

_ANOTHER = "use another storage driver, or a root on ext4, xfs (ftype=1) or btrfs"


def probe(root: str) -> None:
    """Mount a tiny overlay below ``root`` unless a note there says that it worked before.

    Raises Unsupported with the reason.
    """
    note = f"{root}/probed"
    if os.path.exists(note):
        return
    scratch = f"{root}/probe-{os.getpid()}"
    removal.remove_tree(scratch)
    os.makedirs(scratch, 0o700)
    try:
        _try(scratch)
    except OSError as error:
        raise Unsupported(f"overlay file systems do not work on {root}: {error.strerror}", _ANOTHER) from error
    finally:
        removal.remove_tree(scratch)
    os.close(os.open(note, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _try(scratch: str) -> None:
    for name in ("lower", "upper", "work"):
        os.mkdir(f"{scratch}/{name}")
    for name in ("removed", "kept"):
        os.mkdir(f"{scratch}/lower/{name}")
        os.mkdir(f"{scratch}/lower/{name}/content")
    # As a layer's extraction marks an opaque directory, and as the kernel marks a deletion.
    os.mkdir(f"{scratch}/upper/kept")
    os.setxattr(f"{scratch}/upper/kept", "trusted.overlay.opaque", b"y")
    options = (f"lowerdir={scratch}/lower", f"upperdir={scratch}/upper", f"workdir={scratch}/work", *OPTIONS)
    with mounted([Mount("overlay", "overlay", options)]) as tree:
        if os.listdir(f"{tree}/kept"):
            raise Unsupported("opaque directories do not work here", _ANOTHER)
        os.rmdir(f"{tree}/removed/content")
        os.rmdir(f"{tree}/removed")
    if not stat.S_ISCHR(os.lstat(f"{scratch}/upper/removed").st_mode):
        raise Unsupported("the overlay file system marks deletions in an unknown way", _ANOTHER)
