"""Tests of when a container is started again."""

from __future__ import annotations

import pytest

from sampan.engine import policy
from sampan.errors import InvalidInput
from sampan.model.container import Container, ContainerSpec, Ending, RestartPolicy
from sampan.model.digest import Digest


def _container(name: str, retries: int = 0, **more: object) -> Container:
    return Container(
        id="1" * 64, name="it", image_id=Digest("sha256:0"), path="true", created=1.0, storage_driver="", runtime="",
        log_driver="", network_driver="",
        spec=ContainerSpec(image="it", restart=RestartPolicy(name, retries)),
        **more,  # type: ignore[arg-type]  # fields of the record
    )


@pytest.mark.parametrize(("container", "code", "expected"), [
    (_container("no"), 1, False),
    (_container("always"), 0, True),
    (_container("always", ending=Ending.STOP), 0, False),
    (_container("unless-stopped"), 0, True),
    (_container("unless-stopped", ending=Ending.RESTART), 0, False),
    (_container("on-failure"), 0, False),
    (_container("on-failure", restarts=1000), 1, True),
    (_container("on-failure", 2, restarts=1), 1, True),
    (_container("on-failure", 2, restarts=2), 1, False),
])  # fmt: skip
def test_again(container: Container, code: int, expected: bool) -> None:
    assert policy.again(container, code) is expected


@pytest.mark.parametrize(("container", "expected"), [
    (_container("always", started=1.0, ending=Ending.STOP), True),
    (_container("always"), False),
    (_container("unless-stopped", started=1.0), True),
    (_container("unless-stopped", started=1.0, ending=Ending.STOP), False),
    (_container("on-failure", started=1.0, exit_code=1), False),
    (_container("no", started=1.0), False),
])  # fmt: skip
def test_after_boot(container: Container, expected: bool) -> None:
    assert policy.after_boot(container) is expected


@pytest.mark.parametrize(("name", "retries", "message"), [
    ("sometimes", 0, "invalid restart policy 'sometimes'"),
    ("always", 3, "maximum retry count cannot be used with restart policy 'always'"),
    ("on-failure", -1, "maximum retry count cannot be negative"),
])
def test_what_is_no_policy(name: str, retries: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        policy.check(RestartPolicy(name, retries))


def test_pauses_double_up_to_a_minute_and_begin_anew_after_a_long_run() -> None:
    backoff = policy.Backoff()
    pauses = [backoff.next(0.5) for _ in range(12)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-2:] == [60.0, 60.0]
    assert backoff.next(10.0) == 0.1
