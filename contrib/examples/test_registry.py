import io
import json

import pytest
from sampan_example_registry import Shelf

from sampan.model import digest as digests
from sampan.model.descriptor import OCI_MANIFEST, Descriptor
from sampan.testing.registry import PushSubject, PushSuite, RegistrySuite, Subject


def put(shelf, content):
    shelf.put_blob(Descriptor("application/octet-stream", digests.of(content), len(content)), io.BytesIO(content))
    return {"mediaType": "application/octet-stream", "digest": digests.of(content), "size": len(content)}


class TestPull(RegistrySuite):
    @pytest.fixture
    def subject(self, tmp_path):
        shelf = Shelf(f"{tmp_path}/one")
        config, *layers = (put(shelf, content) for content in (b"{}", b"lower", b"upper"))
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
        shelf.put_manifest("1", json.dumps(manifest).encode(), OCI_MANIFEST)
        return Subject(lambda: Shelf(f"{tmp_path}/one"), "1", lambda: Shelf(f"{tmp_path}/none"))


class TestPush(PushSuite):
    @pytest.fixture
    def subject(self, tmp_path):
        return PushSubject(lambda word: Shelf(f"{tmp_path}/{word}"), str)
