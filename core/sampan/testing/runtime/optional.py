"""Check what a runtime declares that it can do besides: pause, change limits, measure."""

# ruff: noqa: D102 - the tests' names are sentences
from __future__ import annotations

import signal
import time

import pytest

from sampan.contracts.runtime import Measures, Pauses, Updates
from sampan.errors import Conflict, InvalidInput
from sampan.model import runtime_spec as oci
from sampan.testing.runtime.box import Box, until


class OptionalTests:
    """What a runtime's capabilities promise."""

    def test_what_it_declares_it_has(self, box: Box) -> None:
        declared = box.runtime.capabilities
        assert isinstance(box.runtime, Pauses) or not declared.pause
        assert isinstance(box.runtime, Updates) or not declared.update
        assert isinstance(box.runtime, Measures) or not declared.stats

    def test_pause_freezes_and_resume_thaws(self, box: Box) -> None:
        if not (pauses := pausing(box)):
            return
        box.begin("sh", "-c", "while true; do echo . >> /ticks; sleep 0.01; done")
        until(lambda: (box.rootfs / "ticks").exists())
        pauses.pause(box.id)
        with pytest.raises(Conflict):
            pauses.pause(box.id)
        with pytest.raises(Conflict):
            box.exec("true")
        size = (box.rootfs / "ticks").stat().st_size
        time.sleep(0.1)
        assert (box.rootfs / "ticks").stat().st_size == size
        pauses.resume(box.id)
        with pytest.raises(Conflict):
            pauses.resume(box.id)
        until(lambda: (box.rootfs / "ticks").stat().st_size > size)

    def test_only_what_runs_is_paused(self, box: Box) -> None:
        if pauses := pausing(box):
            with pytest.raises(Conflict):
                pauses.pause(box.id)

    def test_a_paused_container_can_be_removed_by_force(self, box: Box) -> None:
        if pauses := pausing(box):
            box.begin("sleep", "1000")
            pauses.pause(box.id)
            box.runtime.delete(box.id, force=True)
            assert box.wait() == -signal.SIGKILL

    def test_limits_change_while_it_runs(self, box: Box) -> None:
        updates, measures = updating(box), measuring(box)
        if not updates or not measures:
            return
        box.spec.linux.resources.memory = oci.Memory(limit=64 << 20)
        box.begin("sleep", "1000")
        assert measures.stats(box.id).memory_limit == 64 << 20
        updates.update(box.id, oci.Resources(memory=oci.Memory(limit=128 << 20), pids=oci.Pids(limit=77)))
        updates.update(box.id, oci.Resources(cpu=oci.CPU(shares=300)))
        told = measures.stats(box.id)
        assert (told.memory_limit, told.pids_limit) == (128 << 20, 77)
        code, _ = box.exec("sh", "-c", "mknod /tmp/kmsg c 1 11; head -c 1 /tmp/kmsg; echo x > /dev/null")
        assert code == 0

    def test_statistics_count_what_it_uses(self, box: Box) -> None:
        if not (measures := measuring(box)):
            return
        box.spec.linux.resources.pids = None
        box.begin("sh", "-c", "head -c 8000000 /dev/zero > /dev/shm/x; touch /ready; sleep 1000; true")
        until(lambda: (box.rootfs / "ready").exists())
        told = measures.stats(box.id)
        assert told.cpu_total > 0 and told.pids_current == 2
        assert told.memory_usage >= told.memory_cache >= 8_000_000
        assert told.memory_limit is told.pids_limit is None

    def test_only_what_runs_is_measured(self, box: Box) -> None:
        if measures := measuring(box):
            with pytest.raises(Conflict):
                measures.stats(box.id)
            box.run("true")
            with pytest.raises(Conflict):
                measures.stats(box.id)

    def test_only_what_runs_is_changed(self, box: Box) -> None:
        if updates := updating(box):
            with pytest.raises(Conflict):
                updates.update(box.id, oci.Resources())

    def test_a_limit_that_the_kernel_refuses(self, box: Box) -> None:
        if updates := updating(box):
            box.begin("sleep", "1000")
            with pytest.raises(InvalidInput):
                updates.update(box.id, oci.Resources(cpu=oci.CPU(cpus="4000")))


def pausing(box: Box) -> Pauses | None:
    """Return the runtime as one that pauses; None when it does not."""
    runtime = box.runtime
    return runtime if runtime.capabilities.pause and isinstance(runtime, Pauses) else None


def updating(box: Box) -> Updates | None:
    """Return the runtime as one that changes limits; None when it does not."""
    runtime = box.runtime
    return runtime if runtime.capabilities.update and isinstance(runtime, Updates) else None


def measuring(box: Box) -> Measures | None:
    """Return the runtime as one that measures; None when it does not."""
    runtime = box.runtime
    return runtime if runtime.capabilities.stats and isinstance(runtime, Measures) else None
