"""The suite for runtimes notices each of these mistakes."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from tests.core.testing.noticing import noticed

from sampan.errors import SampanError
from sampan_plugins.runtimes.native.driver import NativeRuntime


class IgnoresSignals(NativeRuntime):
    def signal(self, container, number):
        pass


class SignalsTheDead(NativeRuntime):
    def signal(self, container, number):
        try:
            super().signal(container, number)
        except SampanError:
            pass


class StartsAtOnce(NativeRuntime):
    def create(self, container, bundle, stdio):
        started = super().create(container, bundle, stdio)
        self.start(container)
        return started


class SeesNoProcesses(NativeRuntime):
    def pids(self, container):
        return []


class KillsUnasked(NativeRuntime):
    def delete(self, container, *, force=False):
        super().delete(container, force=True)


class ForgetsToRemove(NativeRuntime):
    forgotten = ""

    def delete(self, container, *, force=False):
        self.forgotten = container

    def close(self):
        super().delete(self.forgotten, force=True)  # so that this test leaves nothing


class DoesNotConfine(NativeRuntime):
    def create(self, container, bundle, stdio):
        path = Path(bundle, "config.json")
        spec = msgspec.json.decode(path.read_bytes())
        spec["linux"].pop("seccomp")
        path.write_bytes(msgspec.json.encode(spec))
        return super().create(container, bundle, stdio)


class SharesTheEnvironment(NativeRuntime):
    def create(self, container, bundle, stdio):
        path = Path(bundle, "config.json")
        spec = msgspec.json.decode(path.read_bytes())
        spec["process"]["env"] += [f"{key}={value}" for key, value in os.environ.items()]
        path.write_bytes(msgspec.json.encode(spec))
        return super().create(container, bundle, stdio)


class ExecutesInThePaused(NativeRuntime):
    def pause(self, container):
        pass


class ExecutesAnything(NativeRuntime):
    def exec(self, container, process, stdio):
        return super().exec(container, msgspec.structs.replace(process, args=["/bin/true"]), stdio)


class FailsLate(NativeRuntime):
    def create(self, container, bundle, stdio):
        try:
            return super().create(container, bundle, stdio)
        except SampanError as error:
            raise OSError(str(error)) from error


@pytest.mark.parametrize(("runtime", "test"), [
    (IgnoresSignals, "test_signal_reaches_the_first_process"),
    (SignalsTheDead, "test_signal_to_a_dead_container_is_not_found"),
    (StartsAtOnce, "test_created_but_not_started_runs_nothing"),
    (SeesNoProcesses, "test_first_process_is_the_callers_child_and_dies_with_its_namespace"),
    (KillsUnasked, "test_delete_refuses_a_running_container_unless_forced"),
    (ForgetsToRemove, "test_runs_the_command_and_tells_its_exit_code"),
    (DoesNotConfine, "test_the_filter_is_active_in_start_and_exec"),
    (SharesTheEnvironment, "test_environment_is_the_specs_alone"),
    (ExecutesInThePaused, "test_pause_freezes_and_resume_thaws"), (ExecutesAnything, "test_exec_runs_in_the_container"),
    (FailsLate, "test_commands_that_cannot_run_are_told_before_start"),
])  # fmt: skip
def test_mistakes_are_noticed(runtime: type, test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampan.testing.runtime.box.PATIENCE", 1.0)
    assert noticed("Runtime", runtime, test, tmp_path) == {test}
