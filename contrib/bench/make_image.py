#!/usr/bin/env python3
"""Put an image into a registry for the pull benchmark: six layers, some 500 MB, tens of thousands of files.

Usage: make_image.py HOST:PORT/REPOSITORY:TAG

The content is taken from this machine's /usr, so that sizes, names and compressibility are those of real software.
Needs skopeo.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

LAYERS = 6
TOTAL = 500 << 20
LARGEST = 1 << 20


def chosen() -> list[list[Path]]:
    """Share files below /usr out among the layers until there is enough."""
    layers: list[list[Path]] = [[] for _ in range(LAYERS)]
    taken = 0
    for parent, directories, names in os.walk("/usr"):
        directories.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
                continue
            taken += path.stat().st_size
            # By folder, as packages are: neighbours are in one layer.
            layers[hash_of(parent) % LAYERS].append(path)
            if taken > TOTAL:
                return layers
    return layers


def hash_of(text: str) -> int:
    """Return a number for a text that is the same in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def blob(layout: Path, content: bytes, media_type: str) -> dict[str, object]:
    """Store content in the layout; return its descriptor."""
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def main() -> None:
    """Make the OCI layout and copy it."""
    target = sys.argv[1]
    oci = "application/vnd.oci.image."
    with tempfile.TemporaryDirectory() as scratch:
        layout = Path(scratch)
        (layout / "blobs/sha256").mkdir(parents=True)
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        diff_ids, layers = [], []
        files = 0
        for paths in chosen():
            plain = io.BytesIO()
            with tarfile.open(fileobj=plain, mode="w") as archive:
                for path in paths:
                    archive.add(path, recursive=False)
            files += len(paths)
            diff_ids.append("sha256:" + hashlib.sha256(plain.getvalue()).hexdigest())
            layers.append(blob(layout, gzip.compress(plain.getvalue(), 6), oci + "layer.v1.tar+gzip"))
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        manifest = {
            "schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
            "config": blob(layout, json.dumps(config).encode(), oci + "config.v1+json"), "layers": layers,
        }
        entry = blob(layout, json.dumps(manifest).encode(), oci + "manifest.v1+json")
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        subprocess.run(
            ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{target}"], check=True
        )
    compressed = sum(int(str(layer["size"])) for layer in layers) >> 20
    print(f"{target}: {LAYERS} layers, {files} files, {compressed} MB compressed")


if __name__ == "__main__":
    main()
