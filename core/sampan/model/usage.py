"""Say what the processes of a container use of the machine."""

from __future__ import annotations

import msgspec


class CgroupStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a control group counts: processor time in nanoseconds since it was made, memory and transfers in bytes.

    A limit that is not set is None. What this machine does not count is 0.
    """

    cpu_total: int = 0
    cpu_user: int = 0
    cpu_system: int = 0
    memory_usage: int = 0
    memory_limit: int | None = None
    memory_cache: int = 0
    memory_inactive_file: int = 0
    pids_current: int = 0
    pids_limit: int | None = None
    blkio_read: int = 0
    blkio_write: int = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a container has used up to ``moment``, nanoseconds on a clock that only goes forward.

    ``received`` and ``sent`` are bytes on its own network interfaces.
    """

    moment: int
    group: CgroupStats = CgroupStats()
    received: int = 0
    sent: int = 0
