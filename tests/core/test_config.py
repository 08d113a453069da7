"""Settings come from where the documentation says, in its order, and mistakes are named."""

import os
import re

import pytest

from sampan import config
from sampan.config import RegistryHost, Settings, load
from sampan.errors import InvalidInput, NotFound


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "sampan.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(autouse=True)
def no_system_file(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "SYSTEM_FILE", str(tmp_path / "etc.toml"))


def test_built_in():
    assert load(environ={}) == Settings()


def test_each_source_outranks_the_one_before(file, tmp_path):
    named = file('root = "/file"\nrun_root = "/file-run"\nstorage = ["a", "b"]\n')
    (tmp_path / "etc.toml").write_text('network = "from-etc"\n')
    assert load(environ={}).network == "from-etc"
    environ = {"SAMPAN_CONFIG": named, "SAMPAN_ROOT": "/environment"}
    settings = load(environ=environ)
    assert (settings.root, settings.run_root, settings.storage) == ("/environment", "/file-run", ("a", "b"))
    assert settings.network == Settings().network
    settings = load(root="/flag", storage_driver="c", environ=environ)
    assert (settings.root, settings.storage) == ("/flag", ("c",))
    other = tmp_path / "other.toml"
    other.write_text('run_root = "/other"')
    assert load(str(other), environ=environ).run_root == "/other"


def test_tables(file):
    settings = load(
        file("""
            storage = "one"
            disabled = ["extensions/x"]
            [pins]
            "storage/copies" = "acme"
            [options."storage/copies"]
            depth = 3
            [registries."example.org:5000"]
            insecure = true
            mirrors = ["http://mirror"]
        """),
        environ={},
    )
    assert settings.storage == ("one",)
    assert settings.disabled == ("extensions/x",)
    assert settings.pins == {"storage/copies": "acme"}
    assert settings.options == {"storage/copies": {"depth": 3}}
    assert settings.registries == {"example.org:5000": RegistryHost(True, ("http://mirror",))}


def test_roots_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load(root="here", environ={}).root == str(tmp_path / "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('stroage = ["x"]', r'unknown key "stroage" in .*sampan\.toml \(did you mean "storage"\?\)'),
        ("zzz = 1", r'unknown key "zzz" in .* \(the keys are root, run_root, '),
        ('[registries."h"]\ninsecur = true', r'unknown key "registries\."h"\.insecur" in .*mean "insecure"'),
        ("root = 3", r'wrong value for "root" in .*: expected `str`, got `int`'),
        ("storage = [1]", r'wrong value for "storage\[0\]" in .*: expected `str`'),
        ('registries = "h"', r'wrong value for "registries" in .*: expected `object`'),
        ('[registries]\nh = "x"', r'wrong value for "registries\[\.\.\.\]" in .*: expected `object`'),
        ('disabled = ["storage/x"]', r'wrong value "storage/x" for "disabled" in .* \(write extensions/NAME\)'),
        ("root = ]", r"sampan\.toml is not valid TOML: .*line 1"),
    ],
)
def test_mistakes_name_file_and_key(file, text, message):
    with pytest.raises(InvalidInput) as caught:
        load(file(text), environ={})
    assert re.search(message, str(caught.value)), str(caught.value)


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(NotFound, match="no configuration file /nowhere"):
        load("/nowhere", environ={})
    with pytest.raises(InvalidInput, match="cannot read the configuration"):
        load(str(tmp_path), environ={})


def test_the_users_own_file(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert config.default_file({"XDG_CONFIG_HOME": "/c"}) == "/c/sampan/sampan.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.default_file({}) == f"{tmp_path}/.config/sampan/sampan.toml"
