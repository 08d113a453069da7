"""`system check` as a user sees it."""

import json
import os


def test_a_sound_store(sampan):
    sampan.run("create", "--name", "c1", "bb:1")
    assert sampan.run("system", "check") == "The store is sound"
    assert sampan.run("system", "check", "-q", "--unpacked") == ""
    assert sampan.run("system", "check", "--quick", "--format", "json") == ""
    assert "conflicting options" in sampan.fails("system", "check", "--quick", "--unpacked")


def test_an_unsound_store(sampan):
    stray = f"{sampan.root}/blobs/sha256/{'a' * 64}"
    with open(stray, "w"):
        pass
    told = f"blob sha256:{'a' * 64}: is part of no image"
    result = sampan.result("system", "check")
    assert (result.returncode, result.stderr) == (1, b"")
    assert result.stdout.decode().splitlines() == [
        f"{told} (--repair mends it)", "The store is not sound: 1 left to mend",
    ]
    assert sampan.result("system", "check", "-q").stdout.decode().splitlines() == [f"{told} (--repair mends it)"]
    shown = sampan.result("system", "check", "--format", "json")
    assert shown.returncode == 1
    assert json.loads(shown.stdout) == {
        "Kind": "blob", "Name": f"sha256:{'a' * 64}", "Problem": "is part of no image",
        "Remedy": "--repair mends it", "Mended": False,
    }
    assert sampan.result("system", "check", "--format", "{{.Kind}}:{{.Mended}}").stdout == b"blob:false\n"
    assert sampan.run("system", "check", "--repair").splitlines() == [
        f"{told} (mended)", "The store is sound: 1 mended",
    ]
    assert not os.path.exists(stray)
    assert sampan.run("system", "check") == "The store is sound"
