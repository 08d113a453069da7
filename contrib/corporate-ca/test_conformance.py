from types import SimpleNamespace

import pytest
from sampan_corporate_ca import ALWAYS, CorporateCa

from sampan.errors import InvalidInput, NotFound
from sampan.model.runtime_spec import Mount, Process, Root, Spec


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "root/etc/ssl").mkdir(parents=True)
    (tmp_path / "root/etc/ssl/cert.pem").touch()
    return Spec(root=Root(str(tmp_path / "root")), process=Process(args=["sh"], cwd="/", env=["A=1"]))


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    return str(tmp_path / "ca.pem")


def amended(spec, **options):
    extension = CorporateCa()
    extension.sampan_configure(options)
    extension.sampan_amend_spec(SimpleNamespace(), spec)
    return spec


def test_without_a_bundle_nothing_changes(spec):
    assert (amended(spec).mounts, spec.process.env) == ([], ["A=1"])


def test_the_bundle_lies_where_the_image_looks_for_it(spec, bundle):
    found = {mount.destination: (mount.source, mount.options) for mount in amended(spec, bundle=bundle).mounts}
    assert found == dict.fromkeys((ALWAYS, "/etc/ssl/cert.pem"), (bundle, ["bind", "ro"]))
    assert spec.process.env == ["A=1", f"SSL_CERT_FILE={ALWAYS}"]


def test_what_the_user_chose_stays(spec, bundle):
    spec.mounts.append(Mount(ALWAYS, source="/mine"))
    spec.process.env = ["SSL_CERT_FILE=/mine"]
    amended(spec, bundle=bundle)
    assert [mount.source for mount in spec.mounts if mount.destination == ALWAYS] == ["/mine"]
    assert spec.process.env == ["SSL_CERT_FILE=/mine"]


def test_the_environment_outranks_the_configuration(spec, bundle, monkeypatch):
    monkeypatch.setenv("SAMPAN_CA_BUNDLE", bundle)
    assert amended(spec, bundle="/nowhere").mounts[0].source == bundle


def test_what_cannot_be_is_refused(spec):
    with pytest.raises(NotFound, match="no CA bundle /nowhere"):
        amended(spec, bundle="/nowhere")
    with pytest.raises(InvalidInput):
        amended(spec, bundel="/x")
