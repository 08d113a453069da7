"""Refuse privileged containers, tell the system's log what ran, and tell how long layers took to be committed."""

import syslog
import time

from sampan import hookimpl
from sampan.errors import Denied


@hookimpl
def sampan_amend_spec(container, spec):
    if container.spec.privileged:
        raise Denied("privileged containers are not allowed here", "ask for the capabilities it needs: --cap-add")
    spec.annotations["org.example.owner"] = "research"


@hookimpl
def sampan_container_exited(container):
    syslog.syslog(f"container {container.name} ended with {container.exit_code}")


@hookimpl(wrapper=True)
def sampan_open_storage(name):
    driver = yield

    class Timed(type(driver)):
        def commit(self, key, name):
            began = time.monotonic()
            super().commit(key, name)
            syslog.syslog(f"{name} committed in {time.monotonic() - began:.3f} s")

    driver.__class__ = Timed
    return driver
