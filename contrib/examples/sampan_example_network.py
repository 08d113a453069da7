"""Have a program of the administrator's wire containers.

PROGRAM connect CONTAINER SANDBOX makes an interface in the network namespace that the path SANDBOX opens, and prints
its name. PROGRAM disconnect CONTAINER undoes it; where the container has ended, its namespace is gone already.
"""

import os
import subprocess

from sampan import hookimpl
from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import Conflict, InvalidInput, NotFound, Unavailable
from sampan.model.network import Endpoint


class Program(NetworkDriver):
    capabilities = NetworkCapabilities(sandboxed=True)

    def __init__(self, program, run_root):
        self.program, self.run_root = program, run_root
        os.makedirs(run_root, exist_ok=True)

    def create(self, network):
        if network.pools or network.options:
            raise InvalidInput(f"network {network.name} takes no subnet or options")
        return network

    def remove(self, network):
        if os.listdir(self.run_root):
            raise Conflict(f"network {network.name} has containers")

    def connect(self, network, sandbox, request):
        if sandbox is None or request.address or request.address6 or request.mac:
            raise InvalidInput(f"network {network.name} needs a sandbox, and has no addresses to give")
        try:
            opened = open(sandbox)  # noqa: SIM115  # open it stays what it is; its path may come to be another's
        except OSError as error:
            raise NotFound(f"the sandbox of container {request.container} is gone") from error
        with opened:
            number = opened.fileno()
            try:
                open(self._note(request.container), "x").close()  # before anything is made, to be found after a kill
            except FileExistsError as error:
                raise Conflict(f"container {request.container} is connected already") from error
            done = self._run("connect", request.container, f"/proc/self/fd/{number}", keep=[number])
        if done.returncode != 0:
            self.disconnect(network, request.container)
            raise Unavailable(f"{self.program}: {done.stderr.strip()}")
        return Endpoint(network=network.id, driver=network.driver, interface=done.stdout.strip())

    def disconnect(self, network, container):
        if os.path.exists(self._note(container)):
            self._run("disconnect", container)
            os.unlink(self._note(container))

    def endpoints(self, network):
        return iter(os.listdir(self.run_root))

    def _note(self, container):
        return os.path.join(self.run_root, container)

    def _run(self, *words, keep=()):
        return subprocess.run([self.program, *words], capture_output=True, text=True, pass_fds=keep)


@hookimpl
def sampan_open_network(run_root, options):
    if set(options) != {"program"}:
        raise InvalidInput("the network driver takes one option, the path of the program")
    return Program(options["program"], run_root)
