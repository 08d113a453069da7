"""Let a bridge through where iptables' FORWARD chain drops by policy, as Docker sets it, and ufw.

At the chain's end, so that an administrator's own rules come first. Both kinds of iptables are looked at: the one that
speaks to nftables, and the older one.
"""

from __future__ import annotations

import os

from sampan.errors import Unsupported

_TABLES = {False: "/proc/self/net/ip_tables_names", True: "/proc/self/net/ip6_tables_names"}


def let_through(bridge: str, *, dropping: bool, ipv6: bool) -> None:
    """Accept what comes from a bridge and goes to it. ``dropping`` says that iptables' nftables kind drops.

    Raises Unsupported when that takes an iptables and there is none.
    """
    if dropping:
        program = _modern(ipv6)
        if program is None:
            raise Unsupported(
                f"the host's FORWARD chain drops what is forwarded and there is no iptables to let {bridge} through",
                "install iptables, or set the chain's policy to accept",
            )
        _pass(program, bridge)
    legacy = _legacy(ipv6)
    if legacy and "-P FORWARD DROP" in _run(legacy, "-S", "FORWARD")[1]:
        _pass(legacy, bridge)


def hold_back(bridge: str, *, passed: bool, ipv6: bool) -> None:
    """Undo ``let_through``. ``passed`` says that iptables' nftables kind has rules for the bridge."""
    for program in filter(None, (_modern(ipv6) if passed else None, _legacy(ipv6))):
        for passing in _passing(bridge):
            if _run(program, "-C", "FORWARD", *passing)[0] == 0:
                _run(program, "-D", "FORWARD", *passing)


def _pass(program: str, bridge: str) -> None:
    for passing in _passing(bridge):
        if _run(program, "-C", "FORWARD", *passing)[0]:
            status, _out, reason = _run(program, "-A", "FORWARD", *passing)
            if status:
                raise Unsupported(f"iptables does not let {bridge} through: {reason.strip()}")


def _passing(bridge: str) -> list[list[str]]:
    # Both ways and unconditionally: what may not pass our own table has dropped.
    return [["-i", bridge, "-j", "ACCEPT"], ["-o", bridge, "-j", "ACCEPT"]]


def _modern(ipv6: bool) -> str | None:
    return _program("ip6tables-nft", "ip6tables") if ipv6 else _program("iptables-nft", "iptables")


def _legacy(ipv6: bool) -> str | None:
    # Asking the program itself would load its kernel modules.
    try:
        with open(_TABLES[ipv6]) as file:
            if "filter" not in file.read().split():
                return None
    except OSError:
        return None
    return _program("ip6tables-legacy" if ipv6 else "iptables-legacy")


def _program(*names: str) -> str | None:
    for name in names:
        for directory in ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"):
            if os.access(f"{directory}/{name}", os.X_OK):
                return f"{directory}/{name}"
    return None


def _run(program: str, *arguments: str) -> tuple[int, str, str]:
    import subprocess

    done = subprocess.run([program, "-w", "10", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr
