"""Decide whether a container that ended is started again, and when, by Docker's rules."""

from __future__ import annotations

from sampan.errors import InvalidInput
from sampan.model.container import Container, Ending, RestartPolicy

_NAMES = ("no", "on-failure", "always", "unless-stopped")
_FIRST = 0.1
_LONGEST = 60.0
_LONG_ENOUGH = 10.0
"""Seconds of a run after which the next pause is the first again."""


def check(policy: RestartPolicy) -> RestartPolicy:
    """Return the policy. Raises InvalidInput, as Docker words it."""
    if policy.name not in _NAMES:
        raise InvalidInput(f"invalid restart policy '{policy.name}'")
    if policy.retries and policy.name != "on-failure":
        raise InvalidInput(f"maximum retry count cannot be used with restart policy '{policy.name}'")
    if policy.retries < 0:
        raise InvalidInput("maximum retry count cannot be negative")
    return policy


def again(container: Container, code: int) -> bool:
    """Tell whether a container that ended with ``code`` is to be started again."""
    policy = container.spec.restart
    if container.ending is not Ending.NONE:
        return False
    if policy.name == "on-failure":
        return code != 0 and (not policy.retries or container.restarts < policy.retries)
    return policy.name in ("always", "unless-stopped")


def after_boot(container: Container) -> bool:
    """Tell whether a container that does not run is to be started once the machine is up."""
    match container.spec.restart.name:
        case "always":
            return bool(container.started)
        case "unless-stopped":
            return bool(container.started) and container.ending is not Ending.STOP
    return False


class Backoff:
    """The pauses before each start: twice as long each time, up to a minute."""

    def __init__(self, last: float = 0.0) -> None:
        self.last = last

    def next(self, ran: float) -> float:
        """Return the seconds to wait after a run of ``ran`` seconds."""
        if ran >= _LONG_ENOUGH:
            self.last = 0.0
        self.last = min(self.last * 2, _LONGEST) or _FIRST
        return self.last
