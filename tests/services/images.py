"""Make images and put them into registries with other people's tools: umoci and skopeo."""

from __future__ import annotations

import hashlib
import json
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.registry import RegistryServer

OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def make_image(directory: Path, layers: Sequence[Mapping[str, bytes]], config: Sequence[str] = ()) -> str:
    """Make an image of ``layers``, lowest first, each of files by path, in an OCI layout; ``LAYOUT:TAG`` of it.

    ``config`` are arguments for ``umoci config``, such as ``--config.cmd=/bin/sh``.
    """
    layout = directory / "layout"
    image = f"{layout}:latest"
    _output("umoci", "init", "--layout", str(layout))
    _output("umoci", "new", "--image", image)
    for number, files in enumerate(layers):
        tree = directory / f"layer{number}"
        for name, content in files.items():
            path = tree / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755)
        _output("umoci", "insert", "--rootless", "--image", image, str(tree), "/")
    if config:
        _output("umoci", "config", "--image", image, *config)
    return image


def push_image(image: str, registry: RegistryServer, name: str, *, form: str = "oci", compression: str = "") -> str:
    """Put an image of an OCI layout under ``NAME:TAG`` into a registry, and return the whole reference.

    ``form`` is ``oci`` or ``v2s2`` (Docker's schema 2); ``compression`` is ``gzip`` or ``zstd``, as is by default.
    """
    command = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "--format", form]
    if registry.credentials:
        command += ["--dest-creds", registry.credentials]
    if compression:
        command += ["--dest-compress-format", compression, "--dest-compress-level", "1"]
    reference = f"{registry.address}/{name}"
    _output(*command, f"oci:{image}", f"docker://{reference}")
    return reference


def push_document(registry: RegistryServer, name: str, version: str, content: bytes, media_type: str) -> str:
    """Put a manifest or index, as it is, under a tag or digest; its digest."""
    request = urllib.request.Request(f"http://{registry.address}/v2/{name}/manifests/{version}", content, method="PUT",
                                     headers={"Content-Type": media_type, **_authorization(registry)})
    with urllib.request.urlopen(request, timeout=10):
        return "sha256:" + hashlib.sha256(content).hexdigest()


def push_blob(registry: RegistryServer, name: str, content: bytes) -> str:
    """Put a blob into a repository; its digest."""
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    opened = urllib.request.Request(f"http://{registry.address}/v2/{name}/blobs/uploads/", b"", method="POST",
                                    headers=_authorization(registry))
    with urllib.request.urlopen(opened, timeout=10) as answer:
        location = answer.headers["Location"]
    put = urllib.request.Request(f"{location}&digest={digest}", content, method="PUT", headers={
        "Content-Type": "application/octet-stream", **_authorization(registry)})
    with urllib.request.urlopen(put, timeout=60):
        return digest


def push_index(registry: RegistryServer, name: str, tag: str, manifests: Sequence[Mapping[str, object]]) -> bytes:
    """Put an index of descriptors, as JSON objects, under a tag; its bytes."""
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)}).encode()
    push_document(registry, name, tag, content, OCI_INDEX)
    return content


def skopeo(*words: object) -> bytes:
    """Run skopeo, which must succeed; return what it prints."""
    return _output("skopeo", "--insecure-policy", *words)


def umoci(*words: object) -> bytes:
    """Run umoci, which must succeed; return what it prints."""
    return _output("umoci", *words)


def _authorization(registry: RegistryServer) -> dict[str, str]:
    if not registry.credentials:
        return {}
    return {"Authorization": "Basic " + b64encode(registry.credentials.encode()).decode()}


def _output(*command: object) -> bytes:
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.decode()}")
    return done.stdout
