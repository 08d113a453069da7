from __future__ import annotations

import pytest

from sampan.errors import Corrupt
from sampan.model.image import HealthCheck, ImageConfig, Index, Manifest, decode

CONFIG = b"""{"architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z", "future": 1,
 "config": {"Env": ["A=1"], "Cmd": null, "Entrypoint": ["/x"], "WorkingDir": "/w", "Labels": {"a": "b"},
  "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGTERM", "OnBuild": ["RUN x"],
  "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5, "StartPeriod": 6}},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}, "history": [{"created_by": "x", "empty_layer": true}]}"""


def test_a_configuration_as_docker_writes_it() -> None:
    config = decode(CONFIG, ImageConfig, "it")
    defaults = config.defaults
    assert (defaults.env, defaults.cmd, defaults.entrypoint) == (("A=1",), None, ("/x",))
    assert (defaults.working_dir, defaults.labels, defaults.stop_signal) == ("/w", {"a": "b"}, "SIGTERM")
    assert defaults.exposed_ports == {"80/tcp": {}}
    assert defaults.on_build == ("RUN x",)
    assert defaults.healthcheck == HealthCheck(test=("CMD", "x"), interval=5, start_period=6)
    assert str(config.platform) == "linux/amd64"
    assert config.rootfs.diff_ids == ("sha256:1",)
    assert config.history is not None and config.history[0].empty_layer


def test_an_empty_configuration_has_defaults() -> None:
    assert decode(b"{}", ImageConfig, "it").defaults.cmd is None


def test_manifest_and_index() -> None:
    manifest = decode(
        b'{"schemaVersion": 2, "mediaType": "m", "config": {"mediaType": "c", "digest": "sha256:1", "size": 3},'
        b' "layers": [{"mediaType": "l", "digest": "sha256:2", "size": 4, "annotations": {"a": "b"}}]}', Manifest, "it",
    )
    assert (manifest.media_type, manifest.config.size, manifest.layers[0].annotations) == ("m", 3, {"a": "b"})
    index = decode(
        b'{"schemaVersion": 2, "manifests": [{"mediaType": "m", "digest": "sha256:1", "size": 3,'
        b' "platform": {"os": "linux", "architecture": "arm", "variant": "v6"}}]}', Index, "it",
    )
    assert str(index.manifests[0].platform) == "linux/arm/v6"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"config": 1}', b'{"os": "\xff"}'])
def test_what_is_not_valid_is_corrupt(content: bytes) -> None:
    with pytest.raises(Corrupt, match="the configuration of x is not valid"):
        decode(content, ImageConfig, "the configuration of x")
