"""The native runtime, which also writes down who has which command executed in which container."""

import os
import time

from sampan import hookimpl
from sampan_plugins.runtimes.native.driver import NativeRuntime


class Recorded(NativeRuntime):
    def __init__(self, run_root, options):
        super().__init__(run_root, options)
        self.record = f"{run_root}/commands"

    def start(self, container):
        super().start(container)
        self._note(container, "start", [])

    def exec(self, container, process, stdio):
        started = super().exec(container, process, stdio)
        self._note(container, "exec", process.args)
        return started

    def _note(self, container, verb, words):
        user = os.environ.get("SUDO_USER") or os.getuid()
        with open(self.record, "a") as file:  # one write to the end, so that lines of several commands do not mix
            file.write(f"{time.time():.0f} {user} {container[:12]} {verb} {words}\n")


@hookimpl
def sampan_open_runtime(run_root, options):
    return Recorded(run_root, options)
