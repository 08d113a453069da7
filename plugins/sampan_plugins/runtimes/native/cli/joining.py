"""Run another process in a container that runs."""

from __future__ import annotations

import os
from contextlib import ExitStack

import msgspec

from sampan.errors import InvalidInput, Unsupported
from sampan.kernel import processes
from sampan.model.runtime_spec import Capabilities, Process, User
from sampan_plugins.runtimes.native import bundles
from sampan_plugins.runtimes.native.cli.context import (
    CONSOLE_SOCKET,
    PID_FILE,
    PRESERVE_FDS,
    STREAMS,
    Context,
    preserved,
    write_pid,
)
from sampan_plugins.runtimes.native.cli.options import Given, Option

_OPTIONS = (
    CONSOLE_SOCKET,
    Option("cwd", "the working directory in the container", "path"),
    Option("env", "a variable of the environment, added to the container's", "NAME=value", "e", repeated=True),
    Option("tty", "give it a terminal", letter="t"),
    Option("user", "whom it runs as, by numbers", "uid[:gid]", "u"),
    Option("additional-gids", "a group it is in besides, by number", "gid", "g", repeated=True),
    Option("process", "the file that describes the process", "path", "p"),
    Option("detach", "do not wait for its end", letter="d"),
    PID_FILE,
    Option("process-label", "its SELinux label", "label"),
    Option("apparmor", "its AppArmor profile", "profile"),
    Option("no-new-privs", "let it gain no privileges"),
    Option("cap", "a capability it has besides", "CAP_NAME", "c", repeated=True),
    PRESERVE_FDS,
    Option("cgroup", "not supported: it joins the container's group", "path", repeated=True),
    Option("ignore-paused", "not supported: nothing joins a frozen container"),
)


def execute(context: Context, given: Given) -> int:
    """Run the process; unless detached, wait for its end and return its exit code."""
    if not given.arguments:
        raise InvalidInput('"exec" requires a container id', "see sampan-oci exec --help")
    if given.texts("cgroup"):
        raise Unsupported("sampan-oci does not put an exec into another control group", "leave out --cgroup")
    container, detached = given.arguments[0], given.on("detach")
    state, _ = context.state(container)
    process = _process(given, state.bundle)
    if process.terminal and detached and not given.text("console-socket"):
        raise InvalidInput("cannot allocate a terminal when detached without a console socket", "give --console-socket")
    if given.text("console-socket") and not (process.terminal and detached):
        raise InvalidInput("cannot use a console socket without a terminal and detaching")
    runtime = context.runtime(preserved=preserved(given))
    from sampan_plugins.runtimes.native.cli.foreground import Foreground

    with ExitStack() as stack:
        console = None
        if given.text("console-socket"):
            from sampan_plugins.runtimes.native.cli.console import Console

            console = stack.enter_context(Console(given.text("console-socket")))
        # Detached, too: a process that fails before it runs must be reaped, or its zombie would hold the container.
        processes.become_subreaper()
        foreground = stack.enter_context(Foreground())
        started = runtime.exec(container, process, STREAMS)
        try:
            if console and started.console is not None:
                console.send(started.console)
            if given.text("pid-file"):
                write_pid(given.text("pid-file"), started.pid)
        except BaseException:
            os.kill(started.pid, 9)
            raise
        return 0 if detached else foreground.wait(started.pid, started.console)


def _process(given: Given, bundle: str) -> Process:
    """Return what is to run: described in a file, or the container's first process with another command."""
    if given.text("process"):
        path = given.text("process")
        try:
            with open(path, "rb") as file:
                return msgspec.json.decode(file.read(), type=Process)
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {(error.strerror or '').lower()}") from error
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"{path} is not valid: {error}") from error
    args = given.arguments[1:]
    if not args:
        raise InvalidInput("process args cannot be empty", "name a command, or give --process")
    _, _, first = bundles.load(bundle)
    user = first.user
    if given.text("user"):
        user = _user(given.text("user"), user)
    user = msgspec.structs.replace(
        user, additional_gids=[*user.additional_gids, *(_id(item) for item in given.texts("additional-gids"))])
    return msgspec.structs.replace(
        first, args=args, terminal=given.on("tty"), console_size=None, user=user,
        cwd=given.text("cwd") or first.cwd, env=[*first.env, *given.texts("env")],
        capabilities=_more(first.capabilities, given.texts("cap")),
        no_new_privileges=first.no_new_privileges or given.on("no-new-privs"),
        apparmor_profile=given.text("apparmor") or first.apparmor_profile,
        selinux_label=given.text("process-label") or first.selinux_label)


def _user(text: str, first: User) -> User:
    uid, given, gid = text.partition(":")
    return msgspec.structs.replace(first, uid=_id(uid), gid=_id(gid) if given else first.gid)


def _id(text: str) -> int:
    if not text.isdigit():
        raise InvalidInput(f"invalid id {text!r}", "it is a number")
    return int(text)


def _more(first: Capabilities | None, names: list[str]) -> Capabilities | None:
    if not names:
        return first
    base = first or Capabilities()
    return msgspec.structs.replace(base, **{
        kind: [*getattr(base, kind), *names] for kind in ("bounding", "effective", "permitted")})


COMMANDS = {"exec": ("<container-id> <command> [arguments...]", _OPTIONS, execute)}
