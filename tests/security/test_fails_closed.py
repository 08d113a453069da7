"""A confinement that was asked for and cannot be had was left out, and the container started all the same."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.engine.containers import Bench

from sampan.errors import SampanError
from sampan.model.container import DeviceLimit, Limits, Ulimit, Volume

_PROFILE = '{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": ["mkdir"], "action": "{}"}}]}}'
CASES: dict[str, dict[str, Any]] = {
    "a profile of AppArmor": {"security_options": ("apparmor=mine",)},
    "a label of SELinux": {"security_options": ("label=type:mine",)},
    "a filter that is not there": {"security_options": ("seccomp=/no/such/profile",)},
    "a filter that is none": {"security_options": ('seccomp={"defaultAction": 5}',)},
    "an action that no kernel knows": {"security_options": ("seccomp=" + _PROFILE.format("SCMP_ACT_NONE"),)},
    "an unknown option": {"security_options": ("seccomp:unconfined:x",)},
    "an unknown capability to drop": {"cap_drop": ("NO_SUCH",)},
    "a limit above one's own": {"ulimits": (Ulimit("nofile", -1, -1),)},
    "a sysctl of the host": {"sysctls": {"kernel.panic": "1"}},
    "a sysctl of the host's network": {"sysctls": {"net.ipv4.ip_forward": "1"}, "network": "host"},
    "a sysctl that is not there": {"sysctls": {"net.no.such": "1"}},
    "a sysctl that climbs": {"sysctls": {"net./../../kernel/panic": "1"}},
    "real-time that is not there": {"limits": Limits(cpu_rt_runtime=1000)},
    "a rate of what is no disk": {"limits": Limits(read_bps=(DeviceLimit("/dev/null", 1),))},
    "processors that are not there": {"limits": Limits(cpuset_cpus="4000")},
    "a device that is not there": {"devices": ("/dev/no-such",)},
    "a rule that is none": {"device_rules": ("c 1:3",)},
    "an option of storage": {"storage_options": {"size": "1g"}},
    "a user that is not there": {"user": "nobody-here"},
    "a group that is not there": {"group_add": ("no-such",)},
    "a mode of a namespace": {"pid_mode": "container:nobody"},
    "a mode that is none": {"ipc_mode": "mine"},
    "a volume over /proc": {"volumes": (Volume(kind="tmpfs", target="/proc/sys"),)},
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_applied_keeps_it_from_starting(bench: Bench, case: str) -> None:
    with pytest.raises(SampanError) as caught:
        bench.start("sleep", "100", **CASES[case])
    assert "\n" not in caught.value.message
    assert not any(container.alive for container in bench.engine.containers(all=True))
