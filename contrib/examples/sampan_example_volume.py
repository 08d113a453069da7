"""Keep volumes as directories of a file system that every machine mounts at the same place, such as NFS."""

import os
import re
import shutil

from sampan import hookimpl
from sampan.contracts.volume import VolumeDriver
from sampan.errors import InvalidInput, NotFound, Unavailable

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


class Shared(VolumeDriver):
    def __init__(self, path):
        self.path = path

    def create(self, name, options):
        if options or not _NAME.fullmatch(name):
            raise InvalidInput(f"cannot make a volume {name!r} with the options {dict(options)}")
        if not os.path.isdir(self.path):
            raise Unavailable(f"{self.path} is not there", "mount it")
        os.makedirs(self.where(name), exist_ok=True)

    def remove(self, name):
        if _NAME.fullmatch(name):
            shutil.rmtree(self.where(name), ignore_errors=True)

    def mount(self, name, user):
        if not _NAME.fullmatch(name) or not os.path.isdir(self.where(name)):
            raise NotFound(f"no such volume: {name}")
        return self.where(name)

    def unmount(self, name, user):
        return None  # mounting did nothing

    def where(self, name):
        return os.path.join(self.path, name)

    def walk(self):
        return iter(os.listdir(self.path) if os.path.isdir(self.path) else ())

    def scope(self):
        return "global"


@hookimpl
def sampan_open_volumes(options):
    if set(options) != {"path"}:
        raise InvalidInput("the volume driver takes one option, the path of the shared directory")
    return Shared(options["path"])
