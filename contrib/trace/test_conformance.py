import contextlib
import re

import pytest
import sampan_trace

from sampan.config import Settings
from sampan.contracts.log import Entry, LogDriver
from sampan.contracts.registry import Registry
from sampan.plugin.manager import Plugins
from sampan.testing.log import LogDriverSuite


@pytest.fixture
def trace(monkeypatch, tmp_path):
    monkeypatch.setenv("SAMPAN_TRACE", str(tmp_path / "trace"))
    found = sampan_trace.Trace()
    found.begin("image.pull")
    yield found
    found.end()
    assert re.match(r" +\d+\.\d ms +\d+  sampan image pull\n", (tmp_path / "trace").read_text())


class Some(LogDriver):
    def open(self, *words, **named):
        return self.read("where", {})

    def read(self, where, options, **how):
        yield Entry("stdout", 1.0, b"line\n")


def lines(trace):
    with open(trace.spool) as file:
        return [re.sub(r"^ +[\d.]+ ms +", "", line) for line in sampan_trace.summary(file).splitlines()]


def test_calls_are_counted_within_what_called_them(trace):
    driver = trace.watch(Some(), "logs/some")
    assert isinstance(driver, Some)
    assert len([*driver.open(), *driver.read("where", {})]) == 2
    assert lines(trace) == [
        "0  sampan image pull", "1    logs/some open", "1      logs/some read", "1    logs/some read",
    ]  # fmt: skip


def test_what_a_context_manager_gives_out_is_timed_too(trace):
    class Mine(Registry):
        tags = manifest = None

        @contextlib.contextmanager
        def blob(self, descriptor):
            yield (piece for piece in (b"one", b"two"))

    Mine.__abstractmethods__ = frozenset()
    with trace.watch(Mine(), "registries/mine").blob(None) as chunks:
        assert list(chunks) == [b"one", b"two"]
    with open(trace.spool) as file:
        assert [line.split()[1] for line in file] == ["1", "0", "0"]  # the call, entering, what came out


def test_without_the_variable_nothing_is_wrapped(monkeypatch):
    monkeypatch.delenv("SAMPAN_TRACE", raising=False)
    trace = sampan_trace.Trace()
    trace.begin("pull")
    assert type(trace.watch(Some(), "logs/some")) is Some


class TestADriverThatIsTimed(LogDriverSuite):
    """A driver keeps its contract while it is timed."""

    @pytest.fixture
    def make(self, trace):
        return lambda: trace.watch(Plugins(Settings()).open_logs("json-file"), "logs/json-file")
