from __future__ import annotations

import pytest

from sampan.engine import changes
from sampan.errors import InvalidInput
from sampan.model.image import Defaults, HealthCheck


def test_every_instruction_as_docker_carries_it_out() -> None:
    # The expectations are what Docker 20.10's import made of the same -c options.
    defaults = changes.apply(Defaults(), [
        r"""ENV A=1 B="x y" C=a\ b D=$A-${B} E=${Z:-def} F='$A' G="q\"r" """,
        "ENV H some  text here",
        "CMD echo $A hi",
        'ENTRYPOINT ["a","b"]',
        "EXPOSE 80 81/udp 90-92",
        'LABEL x=1 "y z"="w" v=',
        "USER me",
        "VOLUME /a /b",
        'VOLUME ["/c d"]',
        "WORKDIR rel",
        "WORKDIR sub",
        "ONBUILD RUN  foo  bar",
        "HEALTHCHECK --interval=1m30s --retries=3 CMD curl x",
    ])
    assert defaults == Defaults(
        env=("A=1", "B=x y", "C=a b", "D=-", "E=def", "F=$A", 'G=q"r', "H=some  text here"),
        cmd=("/bin/sh", "-c", "echo $A hi"),
        entrypoint=("a", "b"),
        exposed_ports={"80/tcp": {}, "81/udp": {}, "90/tcp": {}, "91/tcp": {}, "92/tcp": {}},
        labels={"x": "1", "y z": "w", "v": ""},
        user="me",
        volumes={"/a": {}, "/b": {}, "/c d": {}},
        working_dir="/rel/sub",
        on_build=("RUN  foo  bar",),
        healthcheck=HealthCheck(test=("CMD-SHELL", "curl x"), interval=90_000_000_000, retries=3),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("RUN x", "run is not a valid change command"),
        ("FOO x", "foo is not a valid change command"),
        ("", "file with no instructions"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV =b", "ENV names can not be blank"),
        ("ENV a=1 b", 'Syntax error - can\'t find = in "b". Must be of the form: name=value'),
        ('ENV a="b',
         'failed to process "\\"b": unexpected end of statement while looking for matching double-quote'),
        ("ENV a='b",
         'failed to process "\'b": unexpected end of statement while looking for matching single-quote'),
        ("ENV a=${b", "failed to process \"${b\": missing ':' in substitution"),
        ("ENV a=${b:-c", "failed to process \"${b:-c\": syntax error: missing '}'"),
        ("ENV a=${", "failed to process \"${\": syntax error: missing '}'"),
        ("ENV a=${b:?}", 'failed to process "${b:?}": b: is not allowed to be unset'),
        ("ENV a=${b?none}", 'failed to process "${b?none}": b: none'),
        ("CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("EXPOSE a", "Invalid containerPort: a"),
        ("EXPOSE 80/xx", "Invalid proto: xx"),
        ("EXPOSE 99999", "Invalid containerPort: 99999"),
        ("EXPOSE +80", "Invalid containerPort: +80"),
        ("EXPOSE 1.2.3.4:80:a", "Invalid containerPort: a"),
        ("EXPOSE a:80", "Invalid hostPort: a"),
        ("EXPOSE 1-2:80-82", "Invalid ranges specified for container and host Ports: 80-82 and 1-2"),
        ("EXPOSE /tcp", "No port specified: /tcp<empty>"),
        ("USER", "USER requires exactly one argument"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ('WORKDIR ""', "cannot normalize nothing"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ("VOLUME []", "VOLUME requires at least one argument"),
        ('VOLUME [""]', "VOLUME specified can not be an empty string"),
        ("LABEL", "LABEL requires at least one argument"),
        ("LABEL a", "LABEL must have two arguments"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK FOO", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK --interval=x CMD a", 'time: invalid duration "x"'),
        ("HEALTHCHECK --interval=1 CMD a", 'time: missing unit in duration "1"'),
        ("HEALTHCHECK --interval=1y CMD a", 'time: unknown unit "y" in duration "1y"'),
        ("HEALTHCHECK --interval=0 CMD a", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --timeout=-1s CMD a", 'Interval "timeout" cannot be less than 1ms'),
        ("HEALTHCHECK --interval=1s --interval=2s CMD a", "Duplicate flag specified: interval"),
        ("HEALTHCHECK --interval CMD a", "Missing a value on flag: interval"),
        ("HEALTHCHECK --interval=1s", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK --foo=x CMD a", "Unknown flag: foo"),
        ("CMD --foo a", "Unknown flag: foo"),
        ("STOPSIGNAL SIGINT", "stopsignal is not a valid change command"),
        ("HEALTHCHECK --interval=1us CMD a", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries must be at least 1 (not -1)"),
        ("HEALTHCHECK --retries=x CMD a", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("HEALTHCHECK --retries=99999999999 CMD a", 'strconv.ParseInt: parsing "99999999999": value out of range'),
    ],
)
def test_errors_are_dockers(change: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        changes.apply(Defaults(), [change])
    assert caught.value.message == message


def test_nothing_changes_nothing() -> None:
    defaults = Defaults(cmd=("x",))
    assert changes.apply(defaults, []) == defaults


def test_what_was_there_is_amended() -> None:
    before = Defaults(
        env=("A=1", "B=2"), labels={"a": "1"}, working_dir="/w", cmd=("old",), exposed_ports={"1/tcp": {}}
    )
    after = changes.apply(before, ["ENV A=$B C=3", "LABEL b=2", "WORKDIR ../x", "EXPOSE 2"])
    assert after.env == ("A=2", "B=2", "C=3")
    assert after.labels == {"a": "1", "b": "2"}
    assert after.working_dir == "/x"
    assert set(after.exposed_ports or ()) == {"1/tcp", "2/tcp"}
    assert after.cmd == ("old",)


def test_a_new_entrypoint_forgets_the_old_command() -> None:
    assert changes.apply(Defaults(cmd=("old",)), ["ENTRYPOINT x"]).cmd is None
    assert changes.apply(Defaults(cmd=("old",)), ["ENTRYPOINT x", "CMD y"]).cmd == ("/bin/sh", "-c", "y")


def test_what_is_empty() -> None:
    defaults = changes.apply(Defaults(), ["CMD", "ENTRYPOINT", "EXPOSE $NONE"])
    assert (defaults.cmd, defaults.entrypoint, defaults.exposed_ports) == (("/bin/sh", "-c"), None, {})


def test_variables() -> None:
    given = ["ENV A=1 B=", "ENV C=${A:?none} D=${B?none} E=$$x F=$12 G=${B:+x}", 'ENV P="1 2"', "EXPOSE $P 3/udp"]
    defaults = changes.apply(Defaults(), given)
    assert defaults.env == ("A=1", "B=", "C=1", "D=", "E=x", "F=", "G=", "P=1 2")
    assert set(defaults.exposed_ports or ()) == {"1/tcp", "2/tcp", "3/udp"}


def test_a_path_is_made_whole_only_where_it_is_relative() -> None:
    assert changes.apply(Defaults(), ["WORKDIR /a/../b/"]).working_dir == "/a/../b/"
    assert changes.apply(Defaults(), ["WORKDIR /a/../b/", "WORKDIR ./c/"]).working_dir == "/b/c"


def test_continuation_comments_and_case() -> None:
    defaults = changes.apply(Defaults(), ["env A=1 \\\n  B=2", "# nothing\nuser me"])
    assert (defaults.env, defaults.user) == (("A=1", "B=2"), "me")


def test_healthcheck_forms() -> None:
    def check(text: str) -> tuple[str, ...]:
        healthcheck = changes.apply(Defaults(), [f"HEALTHCHECK {text}"]).healthcheck
        assert healthcheck is not None
        return healthcheck.test

    assert check("NONE") == ("NONE",)
    assert check('CMD ["a", "b"]') == ("CMD", "a", "b")
    assert check("--timeout=3s CMD a b") == ("CMD-SHELL", "a b")
    assert check('--timeout="3s" -- CMD\ta b') == ("CMD-SHELL", "a b")
