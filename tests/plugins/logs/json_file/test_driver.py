"""Test the json-file log driver."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sampan.contracts.log import LogDriver
from sampan.errors import InvalidInput, Unavailable
from sampan.testing.log import LogDriverSuite
from sampan_plugins.logs.json_file import plugin, record
from sampan_plugins.logs.json_file.driver import JsonFileDriver

ID = "c0" * 32
NOON = 1795461876.25


class TestJsonFile(LogDriverSuite):
    @pytest.fixture
    def make(self) -> Callable[[], LogDriver]:
        return JsonFileDriver


class TestJsonFileWithRotation(LogDriverSuite):
    @pytest.fixture
    def make(self) -> Callable[[], LogDriver]:
        return lambda: JsonFileDriver({"max-size": "100", "max-file": "50000"})


def write(where: Path, *chunks: bytes, **options: str) -> None:
    writer = JsonFileDriver().open(str(where), ID, {k.replace("_", "-"): v for k, v in options.items()})
    for chunk in chunks:
        writer.write("stdout", chunk, NOON)
    writer.close()


def read(where: Path, tail: int = -1) -> list[bytes]:
    return [entry.content for entry in JsonFileDriver().read(str(where), {}, tail=tail)]


def test_the_file_is_docker_s_byte_for_byte(tmp_path: Path) -> None:
    # What Docker 20.10 wrote for the same output.
    write(tmp_path, b'a\tb<>&"\\\033[0m\001\177\r\n', b"\377\342\202 x \303\251\n", b"\342\200\250\n\n", b"end")
    time_ = '"stream":"stdout","time":"2026-11-23T19:24:36.250000000Z"}'
    assert (tmp_path / f"{ID}-json.log").read_text().splitlines(keepends=False) == [
        r'{"log":"a\u0009b\u003c\u003e\u0026\"\\\u001b[0m\u0001' + "\177" + r'\r\n",' + time_,
        r'{"log":"\ufffd\ufffd\ufffd x é\n",' + time_,
        r'{"log":"\u2028\n",' + time_,
        r'{"log":"\n",' + time_,
        r'{"log":"end",' + time_,
    ]


def test_a_long_line_is_kept_in_pieces_of_16_kib(tmp_path: Path) -> None:
    write(tmp_path, b"foo" + b"z" * 20000 + b"\n")
    logs = [json.loads(line)["log"] for line in (tmp_path / f"{ID}-json.log").read_text().splitlines()]
    assert [len(log) for log in logs] == [16384, 3620]
    assert logs[1].endswith("\n")


def test_times_survive_exactly() -> None:
    decoder = record.Decoder()
    for moment in (0.0, 1.5, NOON, 1795461876.9999998, time.time(), 1795461876.0000002):
        entry = decoder.decode(record.encode("stderr", b"x\n", moment).rstrip())
        assert entry is not None
        assert entry.time == moment


def test_docker_s_trimmed_times_are_read() -> None:
    entry = record.Decoder().decode(b'{"log":"x\\n","stream":"stderr","time":"2026-11-23T19:24:36.25Z"}')
    assert entry is not None
    assert (entry.time, entry.stream, entry.content) == (NOON, "stderr", b"x\n")


def test_rotation_keeps_as_many_files_as_asked(tmp_path: Path) -> None:
    write(tmp_path, *(b"line %02d\n" % n for n in range(20)), max_size="200", max_file="3")
    assert sorted(os.listdir(tmp_path)) == [f"{ID}-json.log{end}" for end in ("", ".1", ".2")]
    kept = read(tmp_path)
    assert kept == [b"line %02d\n" % n for n in range(20)][-len(kept) :]
    assert all(path.stat().st_size < 400 for path in tmp_path.iterdir())


def test_rotation_inside_one_large_chunk(tmp_path: Path) -> None:
    write(tmp_path, b"".join(b"%d\n" % n for n in range(1000)), max_size="10k", max_file="100")
    assert read(tmp_path) == [b"%d\n" % n for n in range(1000)]
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) > 5
    assert max(sizes) < 10_200


def test_max_file_one_starts_over(tmp_path: Path) -> None:
    write(tmp_path, *(b"%d\n" % n for n in range(10)), max_size="100")
    assert os.listdir(tmp_path) == [f"{ID}-json.log"]
    assert read(tmp_path)[-1] == b"9\n"


@pytest.mark.parametrize("tail", [1, 2, 3, 19, 20, 25])
def test_tail_across_files(tmp_path: Path, tail: int) -> None:
    write(tmp_path, *(b"%d\n" % n for n in range(20)), max_size="200", max_file="99")
    assert read(tmp_path, tail) == [b"%d\n" % n for n in range(20)][-tail:]


def test_tail_reads_only_the_end(tmp_path: Path) -> None:
    write(tmp_path, b"x" * 80 + b"\n")
    path = tmp_path / f"{ID}-json.log"
    os.truncate(path, 1 << 40)  # a hole of a terabyte nobody could read through
    with path.open("ab") as log:
        log.write(b"\n" + record.encode("stdout", b"1\n2\n", NOON))
    began = time.monotonic()
    assert read(tmp_path, 2) == [b"1\n", b"2\n"]
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("keep", ["2", "3", "500"])
def test_follow_across_rotation(tmp_path: Path, keep: str) -> None:
    writer = JsonFileDriver().open(str(tmp_path), ID, {"max-size": "300", "max-file": keep})
    alive = threading.Event()
    alive.set()
    seen: list[bytes] = []
    thread = threading.Thread(
        target=lambda: seen.extend(
            e.content for e in JsonFileDriver().read(str(tmp_path), {}, follow=alive.is_set)
        )
    )
    thread.start()
    for number in range(60):
        writer.write("stdout", b"%d\n" % number, NOON)
        time.sleep(0.02)
    writer.close()
    alive.clear()
    thread.join(5)
    assert not thread.is_alive()
    assert seen == [b"%d\n" % number for number in range(60)]


def test_follow_begins_before_the_log_does(tmp_path: Path) -> None:
    alive = threading.Event()
    alive.set()
    reader = JsonFileDriver().read(str(tmp_path), {}, follow=alive.is_set)
    threading.Timer(0.1, write, (tmp_path, b"hello\n")).start()
    assert next(reader).content == b"hello\n"
    alive.clear()
    assert list(reader) == []


def test_follow_ends_at_until(tmp_path: Path) -> None:
    write(tmp_path, b"x\n")
    end = time.time() + 0.1
    assert list(JsonFileDriver().read(str(tmp_path), {}, since=end - 1, until=end, follow=lambda: True)) == []


def test_a_torn_line_is_skipped_and_not_continued(tmp_path: Path) -> None:
    write(tmp_path, b"one\n")
    path = tmp_path / f"{ID}-json.log"
    with path.open("ab") as log:
        log.write(b'{"log":"tor')
    write(tmp_path, b"two\n")
    assert read(tmp_path) == [b"one\n", b"two\n"]


def test_a_full_disk_loses_output_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # /dev/full answers ENOSPC to every write: the real error, without filling a disk.
    log = tmp_path / f"{ID}-json.log"
    writer = JsonFileDriver().open(str(tmp_path), ID, {})
    real = vars(writer)["_fd"]
    kept = os.dup(real)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, real)
    writer.write("stdout", b"lost\n", NOON)
    os.dup2(kept, real)
    os.close(full)
    os.close(kept)
    writer.write("stdout", b"kept\n", NOON)
    writer.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["stream"] == "stderr"
    assert "bytes were lost" in lines[0]["log"]
    assert lines[1]["log"] == "kept\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"foo": "1"}, "unknown log opt 'foo' for json-file log driver"),
        ({"mode": "non-blocking"}, "unknown log opt 'mode' for json-file log driver"),
        ({"max-file": "0"}, "max-file cannot be less than 1"),
        ({"max-file": "x"}, "invalid max-file 'x'"),
        ({"max-size": "0"}, "invalid max-size '0'"),
        ({"max-size": "-5"}, "invalid max-size '-5'"),
        ({"max-size": "nan"}, "invalid max-size 'nan'"),
        ({"max-size": "10x"}, "invalid max-size '10x'"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        JsonFileDriver().open(str(tmp_path), ID, options)


def test_a_missing_directory_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot open the log of c0c0c0c0c0c0"):
        JsonFileDriver().open(str(tmp_path / "gone"), ID, {})


def test_the_plugin_opens_it(tmp_path: Path) -> None:
    driver = plugin.sampan_open_logs("json-file", {"max-size": "100", "max-file": 2})
    assert driver is not None
    writer = driver.open(str(tmp_path), ID, {})
    for _ in range(9):
        writer.write("stdout", b"x\n", NOON)
    writer.close()
    assert len(os.listdir(tmp_path)) == 2
    assert plugin.sampan_open_logs("other", {}) is None
    info = plugin.sampan_plugin_info("logs", "json-file")
    assert info is not None
    assert [option.name for option in info.options] == ["max-size", "max-file"]
    with pytest.raises(InvalidInput, match="unknown option 'x'"):
        plugin.sampan_open_logs("json-file", {"x": "1"})
