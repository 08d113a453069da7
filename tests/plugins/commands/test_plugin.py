"""plugin ls and plugin inspect, on the bundled plugins."""

import json

import pytest

from sampan.cli.context import Context
from sampan.config import Settings
from sampan.errors import InvalidInput, NotFound
from sampan.plugin.manager import Plugins


@pytest.fixture
def plugin(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("SAMPAN_CACHE_DIR", str(tmp_path / "cache"))

    def run(name, *words, settings=None):
        context = Context(Plugins(settings or Settings()))
        command = context.plugins.open_command(f"plugin.{name}")
        with command.make_context(f"sampan plugin {name}", list(words), obj=context) as ctx:
            command.invoke(ctx)
        return capsys.readouterr().out

    return run


def test_ls_shows_slot_name_distribution_version_and_status(plugin):
    lines = plugin("ls", "--slot", "logs").splitlines()
    assert lines[0].split() == ["SLOT", "NAME", "DISTRIBUTION", "VERSION", "STATUS"]
    rows = [line.split() for line in lines[1:]]
    assert ["logs", "json-file", "sampan", "0.1.0", "selected"] in rows
    assert ["logs", "none", "sampan", "0.1.0", "available"] in rows


def test_ls_follows_the_settings(plugin):
    rows = [line.split() for line in plugin("ls", "--slot", "logs", settings=Settings(log_driver="none")).splitlines()]
    assert ["logs", "none", "sampan", "0.1.0", "selected"] in rows


def test_ls_covers_every_slot_and_quietly_names_alone(plugin):
    names = plugin("ls", "-q").splitlines()
    assert {"commands/plugin ls", "storage/vfs", "network/none", "runtimes/native", "formats/rootfs-tar"} <= set(names)


def test_list_is_ls(plugin):
    assert plugin("list", "-q") == plugin("ls", "-q")


def test_inspect(plugin):
    (found,) = json.loads(plugin("inspect", "commands/plugin ls"))
    assert found["Module"] == "sampan_plugins.commands.plugin_ls"
    assert found["Hooks"] == ["sampan_open_command"]
    assert (found["Distribution"], found["Summary"]) == ("sampan", "List plugins")


def test_inspect_shows_options_with_the_value_in_force(plugin, tmp_path, monkeypatch):
    (tmp_path / "acme_logs.py").write_text(
        "from sampan import hookimpl\n"
        "from sampan.contracts.plugin import Option, PluginInfo\n"
        "@hookimpl\n"
        "def sampan_plugin_info(slot, name):\n"
        "    options = (Option('depth', '1', 'how deep'), Option('width', '2', 'how wide'))\n"
        "    return PluginInfo(summary='Log', options=options, capabilities={'follow': 'yes'})\n"
    )
    info = tmp_path / "acme-3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 3\n")
    (info / "entry_points.txt").write_text("[sampan.logs]\nacme = acme_logs\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = Settings(options={"logs/acme": {"depth": 5}})
    (found,) = json.loads(plugin("inspect", "logs/acme", settings=settings))
    assert found["Options"] == [
        {"Name": "depth", "Default": "1", "Value": "5", "Summary": "how deep"},
        {"Name": "width", "Default": "2", "Value": "2", "Summary": "how wide"},
    ]
    assert found["Capabilities"] == {"follow": "yes"}
    assert found["Version"] == "3"


@pytest.mark.parametrize(
    ("word", "error", "message"),
    [
        ("storage", InvalidInput, '"storage" is not a plugin'),
        ("storages/x", InvalidInput, "no plugin slot named 'storages'"),
        ("storage/x", NotFound, 'no storage driver named "x"'),
    ],
)
def test_inspect_of_what_is_not_there(plugin, word, error, message):
    with pytest.raises(error, match=message):
        plugin("inspect", word)
