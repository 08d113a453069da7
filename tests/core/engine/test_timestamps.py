import pytest

from sampan.engine import timestamps


@pytest.mark.parametrize(("moment", "text"), [
    (0, "1970-01-01T00:00:00Z"), (1.5, "1970-01-01T00:00:01.5Z"), (1616161616.25, "2021-03-19T13:46:56.25Z"),
    (10.0, "1970-01-01T00:00:10Z"),
])
def test_moments_are_written_as_docker_writes_them(moment, text):
    assert timestamps.written(moment) == text
    assert timestamps.seconds(text) == moment
