from __future__ import annotations

from pathlib import Path

import pytest

from sampan import errors
from sampan_plugins.runtimes.oci.driver import OCIRuntime
from sampan_plugins.runtimes.oci.program import translate


@pytest.mark.parametrize(("said", "kind", "message"), [
    ('runc create failed: unable to start container process: exec: "foo": executable file not found in $PATH',
     errors.CommandNotFound, 'exec: "foo": executable file not found in $PATH'),
    ('unable to start container process: exec: "/x": stat /x: no such file or directory',
     errors.CommandNotFound, 'exec: "/x": stat /x: no such file or directory'),
    ('exec failed: unable to start container process: exec: "/etc": is a directory',
     errors.CommandNotExecutable, 'exec: "/etc": is a directory'),
    ("container with given ID already exists", errors.AlreadyExists, "container with given ID already exists"),
    ("container does not exist", errors.NotFound, "container does not exist"),
    ("cannot delete container x that is not stopped: running", errors.Conflict, None),
    ("error setting rlimit type 7: operation not permitted", errors.Unsupported, None),
    ("ulimit nofile cannot be raised to 1073741824: the limit here is 20000", errors.Unsupported, None),
    ("bind source path does not exist: /no/such/place", errors.InvalidInput, None),
    ("cannot set the CPUs to 4000: Numerical result out of range", errors.InvalidInput, None),
    ("something else", errors.Unavailable, "something else"),
])
def test_what_runc_says_is_understood(said: str, kind: type[errors.SampanError], message: str | None) -> None:
    error = translate(said)
    assert type(error) is kind
    assert message is None or error.message == message


def test_a_missing_program_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(errors.Unsupported) as caught:
        OCIRuntime(str(tmp_path), {"binary": "no-such-runc"})
    assert caught.value.hint == "apt-get install no-such-runc"


def test_unknown_options(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInput):
        OCIRuntime(str(tmp_path), {"binry": "runc"})
