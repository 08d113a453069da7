"""Tell everything about an image, as the document Docker's ``image inspect`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine import platforms
from sampan.engine.inspect import mounts as inspect_mounts
from sampan.engine.timestamps import written
from sampan.model import reference as references
from sampan.model.image import Image

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

_CONFIG: dict[str, Any] = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None,
    "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": None,
}
_NOWHERE = "0001-01-01T00:00:00Z"


def inspect_image(engine: Engine, text: str, *, platform: str = "") -> dict[str, Any]:
    """Return what is known of an image. Raises NotFound, also where it is not for the platform asked for.

    Members are Docker's, in Docker's order; the configuration's are passed on as they came, unknown ones too.
    """
    image = engine.image(text)
    if platform:
        platforms.check_any(engine.store.configuration(image), [platform], text)
    document: dict[str, Any] = msgspec.json.decode(engine.store.blobs.read(image.id))
    tags = [references.parse(tag).familiar for tag in image.tags]
    return {
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": [references.parse(digest).familiar for digest in image.digests],
        "Parent": image.parent or "",
        "Comment": _comment(document),
        "Created": document.get("created") or _NOWHERE,
        "Container": document.get("container") or "",
        "ContainerConfig": _CONFIG | (document.get("container_config") or {}),
        "DockerVersion": document.get("docker_version") or "",
        "Author": document.get("author") or "",
        "Config": None if document.get("config") is None else _CONFIG | document["config"],
        "Architecture": document.get("architecture") or "",
        **({"Variant": document["variant"]} if document.get("variant") else {}),
        "Os": document.get("os") or "",
        "Size": image.size,
        "VirtualSize": image.size,
        "GraphDriver": {"Data": _places(engine, image), "Name": engine.storage_name()},
        "RootFS": {"Type": "layers", "Layers": document.get("rootfs", {}).get("diff_ids") or []},
        "Metadata": {"LastTagTime": written(engine.store.images.tagged(image.id)) if tags else _NOWHERE},
    }


def _comment(document: dict[str, Any]) -> str:
    history = document.get("history") or [{}]
    return document.get("comment") or history[-1].get("comment") or ""


def _places(engine: Engine, image: Image) -> dict[str, str]:
    """Return where the driver has the image, if it has all of it."""
    name = engine.storage_name()
    held = engine.store.layers.held(name, image.id)
    if not held or not all(present for _, present in held):
        return {}
    return inspect_mounts.directories(engine.storage(name).mounts(held[-1][0]))
