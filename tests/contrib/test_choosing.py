"""Backends are chosen for a command, a container, or by configuration; what something was made with stays with it."""

from __future__ import annotations

from tests.integration.sampan import Sampan

_CHOSEN = "{{.Driver}} {{.HostConfig.Runtime}} {{.HostConfig.LogConfig.Type}} {{.HostConfig.NetworkMode}}"
_FLAGS = {"--storage-driver": "copies", "--runtime": "oci", "--log-driver": "none", "--network": "ptp"}
_SETTINGS = 'storage = ["copies"]\nruntime = "oci"\nlog_driver = "none"\nnetwork = "ptp"\n'


def _made_otherwise(sampan: Sampan, name: str) -> None:
    """Have a container that was made with none of the usual backends used by commands that prefer others."""
    assert sampan.run("inspect", "-f", _CHOSEN, name) == "copies oci none ptp"
    other = ("--storage-driver", "vfs")
    assert sampan.run(*other, "start", "-a", name) == "hello"
    assert sampan.run(*other, "diff", name) == "A /file"
    sampan.run(*other, "commit", name, "bb:2")
    sampan.run(*other, "rm", name)
    # The image's layer was made by one driver, and serves any.
    for driver in ("fuse-overlayfs", "vfs"):
        assert sampan.run("--storage-driver", driver, "run", "--rm", "--net", "none", "bb:2", "cat", "/file") == "hello"


def test_flags_choose_for_a_container_which_remembers(sampan: Sampan) -> None:
    flags = [word for pair in _FLAGS.items() for word in pair]
    sampan.run("create", "--name", "box", *flags, "bb:1", "sh", "-c", "echo hello | tee /file")
    _made_otherwise(sampan, "box")


def test_the_configuration_chooses_and_flags_outrank_it(sampan: Sampan) -> None:
    before = sampan.config.read_text()
    sampan.config.write_text(_SETTINGS + before)
    sampan.run("create", "--name", "box", "bb:1", "sh", "-c", "echo hello | tee /file")
    usual = ("--runtime", "native", "--log-driver", "json-file", "--network", "none")
    sampan.run("--storage-driver", "overlay2", "create", "--name", "usual", *usual, "bb:1", "true")
    assert sampan.run("inspect", "-f", _CHOSEN, "usual") == "overlay2 native json-file none"
    sampan.config.write_text(before)
    _made_otherwise(sampan, "box")


def test_a_driver_that_was_removed_is_missed_only_where_it_is_needed(sampan: Sampan) -> None:
    sampan.run("create", "--name", "box", "--storage-driver", "copies", "bb:1", "true")
    site = sampan.environ.pop("PYTHONPATH")
    assert 'no storage driver named "copies"' in sampan.result("start", "box").stderr.decode()
    assert 'no storage driver named "copies"' in sampan.fails("rm", "box")
    assert sampan.run("run", "--rm", "bb:1", "echo", "hello") == "hello"
    assert sampan.run("inspect", "-f", "{{.Driver}}", "box") == "copies"
    sizes = sampan.result("ps", "-as", "--format", "{{.Names}} {{.Size}}")
    assert (sizes.returncode, sizes.stdout) == (0, b"box 0B (virtual 0B)\n")
    assert sizes.stderr.startswith(b'WARNING: the size of container box is not known: no storage driver named "copies"')
    sampan.environ["PYTHONPATH"] = site
    sampan.run("ps", "-aq")
    assert sampan.run("ps", "-aq") == ""  # what was to be removed is


def test_a_backend_that_is_not_there_is_one_line_that_names_those_that_are(sampan: Sampan) -> None:
    for words, code, there in (
        (("--storage-driver", "nope", "run", "bb:1"), 125, "copies, fuse-overlayfs, overlay2"),
        (("run", "--runtime", "nope", "bb:1"), 125, "native, oci"),
        (("run", "--log-driver", "nope", "bb:1"), 125, "json-file, none"),
        (("--registry-driver", "nope", "pull", "bb:3"), 1, "distribution, oci-layout"),
        (("export", "--format-driver", "nope", "-o", "/dev/null", "box"), 1, "squashfs"),
    ):
        if words[0] == "export":
            sampan.run("create", "--name", "box", "bb:1", "true")
        assert there in sampan.fails(*words, code=code)
