import hashlib
import io
import json

import pytest
from sampan_oci_layout import OciLayout

from sampan.model.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor
from sampan.testing.registry import PushSubject, PushSuite, RegistrySuite, Subject


class TestFetching(RegistrySuite):
    @pytest.fixture
    def subject(self, tmp_path):
        registry = OciLayout(str(tmp_path), "host/some/image")
        parts = []
        for media_type, content in ((OCI_CONFIG, b"{}"), (OCI_LAYER, b"lower" * 50_000), (OCI_LAYER, b"upper")):
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            parts.append({"mediaType": media_type, "digest": digest, "size": len(content)})
            registry.put_blob(Descriptor(media_type, digest, len(content)), io.BytesIO(content))
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": parts[0], "layers": parts[1:]}
        registry.put_manifest("1", json.dumps(manifest).encode(), OCI_MANIFEST)
        return Subject(
            open=lambda: OciLayout(str(tmp_path), "host/some/image"), tag="1",
            open_missing=lambda: OciLayout(str(tmp_path), "host/no/image"),
        )


class TestPushing(PushSuite):
    @pytest.fixture
    def subject(self, tmp_path):
        return PushSubject(open=lambda word: OciLayout(str(tmp_path), f"host/{word}"), path=lambda word: word)
