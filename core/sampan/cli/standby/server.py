"""Wait with everything imported, and fork for each command that comes.

One thread, no store, no settings, no descriptor but its sockets; it keeps nothing of the command that left it here.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from types import FrameType

import msgspec

from sampan.cli.standby import client, worker
from sampan.cli.standby.freshness import Freshness, now
from sampan.cli.standby.likeness import Process

_LULL = 0.05
"""Seconds without an event after which there is time to make a spare worker."""
_GLANCE = 5.0
"""Seconds between looks at whether the socket's file is still ours."""


def main() -> None:
    """Be a standby, as told on standard input: the address, the identity, seconds to linger, names of modules."""
    with open(0, encoding="utf-8", errors="surrogateescape", closefd=False) as file:
        place, linger, count, *words = file.read().split("\0")
    own, modules = words[: int(count)], words[int(count) :]
    names = int(own[6])
    sys.path[:] = own[7 + names :]
    sys.executable = own[1]
    encoding = sys.stdin.encoding, sys.stdin.errors or "strict"
    signal.pthread_sigmask(signal.SIG_SETMASK, (signal.SIGTERM,))  # until it can be answered
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    os.chdir("/")
    os.umask(0o077)
    lock = _claim(place)
    if lock is None or client.identity() != own or client.address(own) != place:
        return
    server = Server(place, own, float(linger), encoding)
    server.learn(modules)
    # A thread that a module started would be missing in each fork.
    if len(os.listdir("/proc/self/task")) == 1 and server.listen():
        server.run()
    server.retire()


def _claim(place: str) -> int | None:
    """Take the lock of an address; None when another standby has it. It is not inherited by forks."""
    while True:
        descriptor = os.open(f"{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(f"{place}.lock")):
                return descriptor
        except BlockingIOError:
            return None
        except FileNotFoundError:
            pass  # the one before removed it while we took the lock
        os.close(descriptor)


class Server:
    """The standby. It retires when its time is over, its code is not what is installed, or SIGTERM comes."""

    def __init__(self, place: str, own: list[str], linger: float, encoding: tuple[str, str]) -> None:
        self._place = place
        self._own = "\0".join(own).encode(errors="surrogateescape") + b"\0"
        self._linger = linger
        self._encoding = encoding
        self._freshness = Freshness()
        self._listener: socket.socket | None = None
        self._inode = 0
        self._waiting: dict[int, socket.socket] = {}
        self._workers: dict[int, socket.socket] = {}
        self._spare: tuple[int, socket.socket] | None = None
        self._poll = select.poll()
        # Workers tell through it what they had to import.
        self._lessons, self._teacher = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._alarm, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for descriptor in (self._lessons.fileno(), self._alarm):
            self._poll.register(descriptor, select.POLLIN)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _heard)
        signal.signal(signal.SIGTERM, self._dismissed)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # better this than anything of use
        with open("/proc/self/comm", "w") as file:
            file.write("sampan-standby")
        self._process = Process("self")

    def learn(self, modules: list[str]) -> None:
        """Import what can be imported, and keep it out of the collector's way."""
        began = now()
        for name in modules:
            if name not in sys.modules:
                try:
                    importlib.import_module(name)
                except Exception:
                    continue  # whoever needs it will say what is wrong with it
                except SystemExit:
                    continue
        self._freshness.note(began)
        _prepare_decoding(msgspec.Struct)
        gc.collect()
        gc.freeze()
        self._dismiss_spare()  # it lacks them

    def listen(self) -> bool:
        """Take the address; tell whether that went well."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        draft = f"{self._place}.{os.getpid()}"
        if not client.private(os.path.dirname(draft)):
            return False
        listener.bind(draft)
        listener.listen(128)
        self._inode = os.lstat(draft).st_ino
        os.rename(draft, self._place)
        self._poll.register(listener, select.POLLIN)
        self._listener = listener
        return True

    def run(self) -> None:
        """Serve until it is time to go, and then until the last worker has ended."""
        until = time.monotonic() + self._linger
        while self._listener or self._workers:
            left = until - time.monotonic() if not self._workers else _GLANCE
            if left <= 0 or not self._linger or not self._in_place():
                self.retire()
                if not self._workers:
                    return
            pause = _LULL if self._listener and not self._spare else _GLANCE
            events = self._poll.poll(max(min(left, pause), 0.01) * 1000)
            for descriptor, _ in events:
                if self._handle(descriptor):
                    until = time.monotonic() + self._linger
            if self._listener and not self._spare and not (events and self._workers):
                self._make_spare()

    def retire(self) -> None:
        """Take no more commands; leave nothing at the address if it is still ours."""
        if self._listener:
            self._poll.unregister(self._listener)
            self._listener.close()
            self._listener = None
            if self._in_place():
                os.unlink(self._place)
        self._dismiss_spare()
        for connection in self._waiting.values():
            self._poll.unregister(connection)
            connection.close()
        self._waiting.clear()
        try:
            os.unlink(f"{self._place}.lock")
        except FileNotFoundError:
            pass

    def _in_place(self) -> bool:
        try:
            return os.lstat(self._place).st_ino == self._inode
        except OSError:
            return False

    def _dismissed(self, number: int, frame: FrameType | None) -> None:
        self._linger = 0.0

    def _handle(self, descriptor: int) -> bool:
        """Do what is to be done; tell whether it was a command's coming or going."""
        if descriptor == self._alarm:
            os.read(self._alarm, 4096)
            return self._reap()
        if descriptor == self._lessons.fileno():
            self._take_lesson()
        elif self._listener and descriptor == self._listener.fileno():
            self._accept(self._listener)
        elif descriptor in self._waiting:
            connection = self._waiting.pop(descriptor)
            self._poll.unregister(descriptor)
            return self._serve(connection)
        return False

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        if not self._serve_at_once(connection):
            self._waiting[connection.fileno()] = connection
            self._poll.register(connection, select.POLLIN)

    def _serve_at_once(self, connection: socket.socket) -> bool:
        return bool(select.select([connection], [], [], 0)[0]) and (self._serve(connection) or True)

    def _serve(self, connection: socket.socket) -> bool:
        """Fork a worker for a request, or refuse it."""
        descriptors: list[int] = []
        answer = client.UNLIKE
        try:
            request, descriptors, flags, _ = socket.recv_fds(connection, worker.LARGEST, 253, socket.MSG_CMSG_CLOEXEC)
            pid, user = client.peer(connection)
            # Who is not visible from here has pid 0.
            if request and not flags & socket.MSG_CTRUNC and user == os.geteuid() and pid:
                process = Process(pid)
                order = worker.Order.parse(request, self._own, pid, process, descriptors)
                if not self._freshness.holds():
                    answer = client.STALE
                    self.retire()
                elif order and process.fixed == self._process.fixed:
                    if not self._hand_to_spare(connection, pid, request, descriptors):
                        self._fork(connection, order)
                    return True
            connection.send(answer)
        except (OSError, ValueError, KeyError):
            pass  # it ended, or is no client of ours; a client goes the usual way then
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            if connection.fileno() not in {kept.fileno() for kept in self._workers.values()}:
                connection.close()
        return False

    def _fork(self, connection: socket.socket, order: worker.Order) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                worker.run(order, connection, self._teacher, self._process, self._encoding)
            os.setpgid(pid, pid)
            self._workers[pid] = connection
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _make_spare(self) -> None:
        """Fork a worker before it is needed; it breaks with our memory page by page while nobody waits for that."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                worker.wait(theirs.fileno(), self._own, self._teacher.fileno(), self._process, self._encoding)
            os.setpgid(pid, pid)
            self._spare = pid, ours
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            theirs.close()

    def _hand_to_spare(self, connection: socket.socket, pid: int, request: bytes, descriptors: list[int]) -> bool:
        """Give a request to the spare worker; tell whether there was one and it could be given."""
        if self._spare is None:
            return False
        spare, channel = self._spare
        try:
            socket.send_fds(channel, [b"%d\0" % pid, request], [connection.fileno(), *descriptors])
        except OSError:
            return False  # it was killed, or this is more than a socket holds
        finally:
            self._dismiss_spare()
        self._workers[spare] = connection
        return True

    def _dismiss_spare(self) -> None:
        if self._spare is not None:
            self._spare[1].close()
            self._spare = None

    def _reap(self) -> bool:
        """Tell the clients of workers that stopped or ended."""
        ended = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return ended
            if not pid:
                return ended
            connection = self._workers.get(pid)
            if connection is None:
                continue
            if os.WIFSTOPPED(status):
                _tell(connection, client.STOPPED, os.WSTOPSIG(status))
                continue
            if os.WIFSIGNALED(status):
                _tell(connection, client.KILLED, os.WTERMSIG(status))
            else:
                _tell(connection, client.EXITED, os.WEXITSTATUS(status))
            del self._workers[pid]
            connection.close()
            ended = True

    def _take_lesson(self) -> None:
        try:
            linger, *modules = self._lessons.recv(worker.LARGEST).decode().split("\0")
        except (OSError, ValueError):
            return
        if self._linger:
            self._linger = float(linger)
        missing = [name for name in modules if name and name not in sys.modules]
        if missing and self._listener:
            self.learn(missing)


def _prepare_decoding(struct: type[msgspec.Struct]) -> None:
    """Have msgspec look at what each structure is made of, which it does when it first decodes one, and remembers."""
    for kind in struct.__subclasses__():
        try:
            msgspec.json.Decoder(kind)
        except Exception:
            pass  # it is only ever encoded, or built upon
        _prepare_decoding(kind)


def _heard(number: int, frame: FrameType | None) -> None:
    """Do nothing: that the signal came is read from the pipe."""


def _tell(connection: socket.socket, kind: bytes, number: int) -> None:
    try:
        connection.send(kind + bytes((number,)))
    except OSError:
        pass  # the client has been told by the worker, or is gone


if __name__ == "__main__":
    main()
