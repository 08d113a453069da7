"""Tell what this runtime can do, as the runtime specification's features document (features.md)."""

from __future__ import annotations

import msgspec

from sampan.kernel import capabilities, mount, namespaces, seccomp
from sampan.model.runtime_spec import Hooks
from sampan_plugins.runtimes.native.cli.context import Context, container_of
from sampan_plugins.runtimes.native.cli.options import Given
from sampan_plugins.runtimes.native.state import VERSION


def features(context: Context, given: Given) -> int:
    """Print the document."""
    if given.arguments:
        container_of(given, "features", most=0)
    print(msgspec.json.format(msgspec.json.encode(document()), indent=4).decode())
    return 0


def document() -> dict[str, object]:
    """Return what is known, not what this machine's kernel allows."""
    hooks = [field.encode_name for field in msgspec.structs.fields(Hooks)]
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": hooks,
        "mountOptions": sorted(mount.WORDS | {"idmap", "ridmap", "tmpcopyup"}),
        "linux": {
            "namespaces": sorted(namespaces.FLAGS),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True, "actions": sorted(seccomp.ACTIONS), "operators": sorted(seccomp.OPERATORS),
                "archs": sorted(seccomp.ARCHITECTURES), "knownFlags": sorted(seccomp.FLAGS),
                "supportedFlags": sorted(seccomp.FLAGS)},
            "apparmor": {"enabled": True},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
    }


COMMANDS = {"features": ("", (), features)}
