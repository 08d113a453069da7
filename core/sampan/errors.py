"""Name every failure Sampan reports: one tree, drawn here.

    SampanError
    ├── InvalidInput            the request itself is wrong: a malformed name, an unknown option
    ├── NotFound                the named image, container, network or plugin does not exist
    │   └── CommandNotFound     the container's command is not in its file system (exit code 127)
    ├── AlreadyExists           the name or id is taken
    ├── Conflict                the object is in a state that forbids the operation
    ├── Denied                  credentials or privileges are missing
    │   └── CommandNotExecutable  the container's command cannot be executed (exit code 126)
    ├── Unsupported             this kernel, machine or driver cannot do it; another may
    ├── Unavailable             a registry or other peer cannot be reached, or answers with a failure
    ├── Corrupt                 content does not match its digest or format
    ├── OutOfSpace              the file system is full
    └── PluginFault             a plugin is missing, broken or breaks its contract

Foreign exceptions are translated where they arise, at a driver's edge, with ``raise … from``.
Messages name the object, start in lower case unless Docker's wording does not, and carry no full stop.
"""

from __future__ import annotations


class SampanError(Exception):
    """The root. ``message`` says what failed; ``hint``, when given, says what the user can do about it."""

    exit_code: int | None = None
    """The process exit code this failure demands, or None where the command decides."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[type[SampanError], tuple[str, str | None]]:
        # Errors cross from the monitor and from worker processes to the command that waits for them.
        return type(self), (self.message, self.hint)


class InvalidInput(SampanError):
    """The request is malformed; trying again unchanged cannot succeed."""


class NotFound(SampanError):
    """The object named does not exist."""


class CommandNotFound(NotFound):
    """The container's command does not exist in its root file system."""

    exit_code = 127


class AlreadyExists(SampanError):
    """The name or id asked for is in use."""


class Conflict(SampanError):
    """The object's present state, or another object that depends on it, forbids the operation."""


class Denied(SampanError):
    """The caller, or the credentials given, may not do this."""


class CommandNotExecutable(Denied):
    """The container's command exists but cannot be executed."""

    exit_code = 126


class Unsupported(SampanError):
    """It cannot be done here. A driver that raises this when opened is passed over by automatic choice."""


class Unavailable(SampanError):
    """A peer cannot be reached or answers with a failure; trying later may succeed."""


class Corrupt(SampanError):
    """Bytes are not what their digest, size or format promised."""


class OutOfSpace(SampanError):
    """The file system has no room; nothing was kept of the attempt."""

    def __init__(self, message: str, hint: str | None = "free some space and try again") -> None:
        super().__init__(message, hint)


class PluginFault(SampanError):
    """A plugin cannot be found, imported or registered, or does not keep its contract."""
