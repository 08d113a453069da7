"""The suite for log drivers notices each of these mistakes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.core.testing.noticing import noticed

from sampan.contracts.log import LogWriter
from sampan_plugins.logs.json_file.driver import JsonFileDriver


class Writer(LogWriter):
    """Hands on to a right one what is left of it."""

    def __init__(self, right):
        self.right = right

    def write(self, stream, content, time):
        self.right.write(stream, content, time)

    def close(self):
        self.right.close()


class Writes(JsonFileDriver):
    writer: type[Writer] = Writer

    def open(self, where, container, options, attributes=msgspec.UNSET):
        return self.writer(super().open(where, container, options))


class MergesStreams(Writes):
    class writer(Writer):  # noqa: N801
        def write(self, stream, content, time):
            super().write("stdout", content, time)


class BuffersUntilTheEnd(Writes):
    class writer(Writer):  # noqa: N801
        def __init__(self, right):
            super().__init__(right)
            self.held = []

        def write(self, stream, content, time):
            self.held.append((stream, content, time))

        def close(self):
            for chunk in self.held:
                self.right.write(*chunk)
            self.held = []
            super().close()


class DropsUnfinishedLines(Writes):
    class writer(Writer):  # noqa: N801
        def write(self, stream, content, time):
            super().write(stream, content[: content.rfind(b"\n") + 1], time)


class TakesTextOnly(Writes):
    class writer(Writer):  # noqa: N801
        def write(self, stream, content, time):
            super().write(stream, content.decode().encode(), time)


class ForgetsTheTime(Writes):
    class writer(Writer):  # noqa: N801
        def write(self, stream, content, time):
            super().write(stream, content, 0.0)


class StartsAnew(JsonFileDriver):
    def open(self, where, container, options, attributes=msgspec.UNSET):
        for path in Path(where).iterdir():
            path.unlink()
        return super().open(where, container, options)


class LosesOrder(JsonFileDriver):
    def read(self, where, options, **how):
        return iter(list(super().read(where, options, **how))[::-1])


class SharesOneLog(JsonFileDriver):
    def open(self, where, container, options, attributes=msgspec.UNSET):
        return super().open(str(Path(where).parent), container, options)

    def read(self, where, options, **how):
        return super().read(str(Path(where).parent), options, **how)


class IgnoresTail(JsonFileDriver):
    def read(self, where, options, *, tail=-1, **how):
        return super().read(where, options, **how)


class IgnoresUntil(JsonFileDriver):
    def read(self, where, options, *, until=0.0, **how):
        return super().read(where, options, **how)


class TakesAnyOption(JsonFileDriver):
    def open(self, where, container, options, attributes=msgspec.UNSET):
        return super().open(where, container, {})


class NeverFollows(JsonFileDriver):
    def read(self, where, options, *, follow=None, **how):
        return super().read(where, options, **how)


@pytest.mark.parametrize(("driver", "test"), [
    (MergesStreams, "test_lines_come_back_in_order"), (MergesStreams, "test_streams_are_apart"),
    (BuffersUntilTheEnd, "test_a_killed_writer_loses_no_line_that_was_written"),
    (DropsUnfinishedLines, "test_chunks_and_lines_are_different_things"),
    (TakesTextOnly, "test_anything_may_be_written"), (ForgetsTheTime, "test_lines_come_back_in_order"),
    (StartsAnew, "test_a_restarted_container_continues_its_log"), (LosesOrder, "test_lines_come_back_in_order"),
    (SharesOneLog, "test_containers_have_logs_of_their_own"), (IgnoresTail, "test_tail"),
    (IgnoresUntil, "test_since_and_until"), (TakesAnyOption, "test_unknown_options_are_refused"),
    (NeverFollows, "test_follow_sees_what_is_written_meanwhile_and_ends_promptly"),
])  # fmt: skip
def test_mistakes_are_noticed(driver: type, test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampan.testing.log.PATIENCE", 0.5)
    assert noticed("Log", driver, test, tmp_path) == {test}
