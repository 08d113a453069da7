from __future__ import annotations

import pytest

from sampan.errors import InvalidInput
from sampan.kernel.users import Identity, resolve

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
# no entry
ann:x:1000:1001:Ann:/home/ann:/bin/sh
broken:x
1002:x:5:5::/five:
"""
GROUP = "root:x:0:\nann:x:1001:\nwheel:x:10:root,ann\nvideo:x:44:ann\n"


@pytest.mark.parametrize(("who", "identity"), [
    ("", Identity(0, 0, (), "/root")),
    ("root", Identity(0, 0, (10,), "/root")),
    ("ann", Identity(1000, 1001, (10, 44), "/home/ann")),
    ("1000", Identity(1000, 1001, (10, 44), "/home/ann")),
    ("ann:wheel", Identity(1000, 10, (), "/home/ann")),
    ("ann:77", Identity(1000, 77, (), "/home/ann")),
    ("4242", Identity(4242, 0, (), "/")),
    ("4242:4343", Identity(4242, 4343, (), "/")),
    ("1002", Identity(5, 5, (), "/five")),
])
def test_users(who: str, identity: Identity) -> None:
    found = resolve(who, PASSWD, GROUP)
    if who:
        assert found == identity
    else:
        assert (found.uid, found.gid, found.home) == (0, 0, "/root")


def test_additional_groups() -> None:
    assert resolve("ann", PASSWD, GROUP, ["video", "99"]).groups == (10, 44, 99)


@pytest.mark.parametrize(("who", "message"), [
    ("foo", "unable to find user foo: no matching entries in passwd file"),
    ("ann:foo", "unable to find group foo: no matching entries in group file"),
    ("4294967296", "uids and gids must be in range 0-2147483647"),
    ("9" * 5000, "uids and gids must be in range 0-2147483647"),
    ("ann:" + "9" * 5000, "uids and gids must be in range 0-2147483647"),
])
def test_who_cannot_be_found(who: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve(who, PASSWD, GROUP)
    assert caught.value.message == message


def test_without_files() -> None:
    assert resolve("", "", "") == Identity()


@pytest.mark.parametrize("number", ["2147483648", "4294967295", "4294967296", "9" * 5000])
def test_files_do_not_name_ids_out_of_range(number: str) -> None:
    # 2**32 - 1 would leave the process root, 2**32 would make it root.
    for passwd, group in (
        (f"eve:x:{number}:5::/:\n", ""), (f"eve:x:5:{number}::/:\n", ""), ("eve:x:5:5::/:\n", f"x:x:{number}:eve\n"),
    ):
        with pytest.raises(InvalidInput):
            resolve("eve", passwd, group)
