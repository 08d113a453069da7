"""Have every container trust the house's certificate authorities, whatever its image.

The bundle, a file of PEM certificates, lies read-only over the places where distributions keep theirs, and
SSL_CERT_FILE points to it for what looks elsewhere. What the user mounted or set there himself stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sampan import hookimpl
from sampan.errors import InvalidInput, NotFound

if TYPE_CHECKING:  # every command imports its extensions, and few of them know what a spec is
    from sampan.model.container import Container
    from sampan.model.runtime_spec import Spec

ALWAYS = "/etc/ssl/certs/ca-certificates.crt"  # Debian, Alpine, Arch
PLACES = (
    ALWAYS,
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, OpenSSL's own
)


class CorporateCa:
    """The extension. Without a bundle it does nothing."""

    def __init__(self) -> None:
        self._bundle = ""

    @hookimpl
    def sampan_configure(self, options: Mapping[str, Any]) -> None:
        if set(options) - {"bundle"}:
            raise InvalidInput("the only option of extensions/corporate-ca is bundle, a file of PEM certificates")
        self._bundle = os.environ.get("SAMPAN_CA_BUNDLE") or options.get("bundle", "")

    @hookimpl
    def sampan_amend_spec(self, container: Container, spec: Spec) -> None:
        if not self._bundle:
            return
        if not os.path.isfile(self._bundle):
            raise NotFound(f"no CA bundle {self._bundle}", "see SAMPAN_CA_BUNDLE and extensions/corporate-ca")
        from sampan.model.runtime_spec import Mount

        taken = {mount.destination for mount in spec.mounts}
        root = spec.root.path if spec.root else ""
        for place in PLACES:
            if place not in taken and (place == ALWAYS or os.path.lexists(root + place)):
                spec.mounts.append(Mount(place, type="bind", source=self._bundle, options=["bind", "ro"]))
        process = spec.process
        if process and not any(entry.startswith("SSL_CERT_FILE=") for entry in process.env):
            process.env = [*process.env, f"SSL_CERT_FILE={ALWAYS}"]


extension = CorporateCa()
