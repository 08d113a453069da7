"""A container of ``none`` can be wired by hand, with the commands the documentation shows."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

from sampan.testing.sandbox import Sandbox, fresh_host, reaches

# As documented; $pid is the container's first process.
WIRE = """\
ip link add box0 type veth peer name eth0 netns $pid
ip address add 192.0.2.1/30 dev box0
ip link set box0 up
nsenter -t $pid -n ip address add 192.0.2.2/30 dev eth0
nsenter -t $pid -n ip link set eth0 up
nsenter -t $pid -n ip route add default via 192.0.2.1
"""
OUTWARDS = """\
sysctl -qw net.ipv4.ip_forward=1
nft add table ip box
nft 'add chain ip box out { type nat hook postrouting priority srcnat; }'
nft add rule ip box out ip saddr 192.0.2.2 oifname != box0 masquerade
"""
OUTSIDE = """\
ip link add uplink type veth peer name eth0 netns $pid
ip address add 198.51.100.1/24 dev uplink
ip link set uplink up
nsenter -t $pid -n ip address add 198.51.100.2/24 dev eth0
nsenter -t $pid -n ip link set eth0 up
"""


def run(script: str, sandbox: Sandbox, stack: ExitStack) -> None:
    """Run a script whose ``$pid`` is a process in the sandbox."""
    with sandbox.entered():
        process = stack.enter_context(subprocess.Popen(["sleep", "60"]))
    stack.callback(process.kill)
    subprocess.run(["sh", "-ec", f"pid={process.pid}\n{script}"], check=True)


def test_as_documented() -> None:
    with fresh_host(), ExitStack() as stack:
        container, outside = Sandbox(), Sandbox()
        stack.callback(container.close)
        stack.callback(outside.close)
        run(OUTSIDE, outside, stack)
        run(WIRE, container, stack)
        assert reaches(None, container, "192.0.2.2")
        run(OUTWARDS, container, stack)
        assert reaches(container, outside, "198.51.100.2")
