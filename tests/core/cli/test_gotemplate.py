"""Test the template engine. Expected texts are what docker 28 printed for the same container."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sampan.cli.gotemplate import Record, Template
from sampan.cli.gotemplate.values import NilList, NilMap, Struct
from sampan.errors import InvalidInput

CONTAINER: dict[str, Any] = {"Name": "/gtchk2",
 "RestartCount": 0,
 "State": {"Status": "created",
           "Running": False,
           "Paused": False,
           "Restarting": False,
           "OOMKilled": False,
           "Dead": False,
           "Pid": 0,
           "ExitCode": 0,
           "Error": "",
           "StartedAt": "0001-01-01T00:00:00Z",
           "FinishedAt": "0001-01-01T00:00:00Z"},
 "Mounts": [],
 "Config": {"Cmd": ["true"], "Env": None, "Labels": {"a.b": "<x>&y"}, "Volumes": None},
 "HostConfig": {"Memory": 0,
                "NanoCpus": 0,
                "PidsLimit": None,
                "OomKillDisable": False,
                "Binds": None},
 "NetworkSettings": {"Networks": {"none": {"NetworkID": "", "IPAddress": ""}}}}

RENDERED = [
    ('{{printf "%g %g %g %g %v" 1e20 1e21 123456789.0 0.00001 1e20}}', "1e+20 1e+21 1.23456789e+08 1e-05 1e+20"),
    ('{{printf "%[2]d|%[1]*d|%[3]v" 5 42 "x"}}', "42|   42|x"),
    ('{{printf "%[5]d" 1}} {{printf "%[x]d" 1}}', "%!d(BADINDEX) %!d(BADINDEX)"),
    ('{{printf "%[2]s %s" "a" "b" "c"}} {{printf "%[1]s %[1]q" "a"}}', 'b c a "a"'),
    ('{{printf "%*d|" -5 42}}{{printf "%*d" "x" 1}}', "42   |%!(BADWIDTH)1"),
    ("{{.Name | }}{{if .Name | }}x{{end}}", "/gtchk2x"),
    ("{{.Name}}", "/gtchk2"),
    ("{{.Config.Labels}}", "map[a.b:<x>&y]"),
    ("{{.Config.Cmd}}", "[true]"),
    ("{{json .Config.Labels}}", '{"a.b":"<x>&y"}'),
    (
        "{{json .State}}",
        '{"Status":"created","Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,"ExitCode":0,"Error":"","StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"}',
    ),
    ("{{.HostConfig.Memory}}", "0"),
    ("{{.State.Running}}", "false"),
    ("{{json .HostConfig.Binds}}", "null"),
    ('{{index .Config.Labels "a.b"}}', "<x>&y"),
    ('{{index .Config.Labels "nope"}}', ""),
    ("{{index .Config.Cmd 0}}", "true"),
    ("{{len .Config.Cmd}}", "1"),
    ("{{range .Config.Env}}{{println .}}{{end}}", ""),
    ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.b=<x>&y;"),
    ("{{range $i, $e := .Config.Cmd}}{{$i}}:{{$e}}{{else}}none{{end}}", "0:true"),
    ('{{if eq .State.Status "created"}}C{{else if .Foo}}x{{else}}N{{end}}', "C"),
    ('{{if and .State.Running (eq .Name "x")}}1{{else}}0{{end}}', "0"),
    (
        '{{printf "%s|%d|%v|%q|%x|%5d|%-10s|%%" .Name 3 .State.Running .Name "hi" 42 "ab"}}',
        '/gtchk2|3|false|"/gtchk2"|6869|   42|ab        |%',
    ),
    ('{{printf "%d" "x"}}', "%!d(string=x)"),
    ('{{printf "%s" 3}}', "%!s(int=3)"),
    ('{{printf "%d"}}', "%!d(MISSING)"),
    ('{{printf "%d" 1 2}}', "1%!(EXTRA int=2)"),
    ('{{printf "%z" 1}}', "%!z(int=1)"),
    ('{{printf "%+v" .Config.Labels}}', "map[a.b:<x>&y]"),
    ('{{printf "%#v" .Name}}', '"/gtchk2"'),
    ('{{printf "%T" .Name}}', "string"),
    ('{{printf "%f %.2f %e %g" 1.5 1.5 1.5 1.5}}', "1.500000 1.50 1.500000e+00 1.5"),
    ("{{.HostConfig.NanoCpus}}", "0"),
    ("{{eq .HostConfig.Memory 0}}", "true"),
    ('{{eq "a" "b" "a"}}', "true"),
    ('{{lt 1 2}} {{gt "b" "a"}} {{ne 1 2}}', "true true true"),
    (
        '{{upper "abc"}} {{lower "ABC"}} {{title "hello world"}} {{split "a,b" ","}} {{join .Config.Cmd "-"}}',
        "ABC abc Hello World [a b] true",
    ),
    ('{{pad "x" 2 3}}| {{truncate "hello" 2}} {{truncate "h" 5}}', "  x   | he h"),
    ('{{print "a" "b" 1 2 true}} {{print 1 2}} {{println "x"}}', "ab1 2 true 1 2 x\n"),
    ('{{slice "abcdef" 1 3}} {{slice .Config.Cmd 0 1}}', "bc [true]"),
    ('{{$x := .Name}}{{$x}}{{$x = "y"}}{{$x}}', "/gtchk2y"),
    ("{{$.Name}} {{$.State.Status}}", "/gtchk2 created"),
    ("{{/* c */}}a{{- /* d */ -}} b", "ab"),
    ("a {{- .Name -}} b", "a/gtchk2b"),
    (
        '{{"q\\"uote"}} {{`raw`}} {{\'a\'}} {{3.5}} {{1e3}} {{0x10}} {{true}}',
        'q"uote raw 97 3.5 1000 16 true',
    ),
    ("{{print nil}}", "<nil>"),
    ("{{(index .Config.Cmd 0)}}", "true"),
    ('{{(index .NetworkSettings.Networks "none").NetworkID}}', ""),
    ("{{.NetworkSettings.Networks.none.IPAddress}}", ""),
    ('{{.Name | printf "%s-%s" "x" | upper}}', "X-/GTCHK2"),
    ('{{json "<>&  é"}}', '"<>&  é"'),
    ("{{range .Mounts}}{{.Source}}{{end}}", ""),
    ("{{.Mounts}}", "[]"),
    ("{{range 3}}{{.}},{{end}}", "0,1,2,"),
    ("{{range $i, $v := .Config.Env}}{{if $i}},{{end}}{{$v}}{{end}}", ""),
    ('{{define "T"}}<{{.}}>{{end}}{{template "T" .Name}}', "</gtchk2>"),
    ('{{block "B" .Name}}[{{.}}]{{end}}', "[/gtchk2]"),
    ("{{.Config.Labels.a.b}}", "<no value>"),
    ("{{ .Config.Labels.zz }}", "<no value>"),
    ("{{.HostConfig.PidsLimit}}", "<nil>"),
    ("{{.HostConfig.OomKillDisable}}", "false"),
    ("{{json .HostConfig.PidsLimit}}", "null"),
    ("{{with $x := .Name}}{{$x}}{{end}}", "/gtchk2"),
    ("{{range $e := .Config.Cmd}}{{$e}}{{end}}", "true"),
    ('{{1 | printf "%d"}}', "1"),
    ('{{printf "%t %v %c %U %o %b %X" true nil 65 65 8 5 255}}', "true <nil> A U+0041 10 101 FF"),
    ('{{printf "%08.3f|%+d|% d|%x|%-5d|%05d" 3.14159 5 5 -42 7 42}}', "0003.142|+5| 5|-2a|7    |00042"),
    ('{{printf "%*d" 5 42}}', "   42"),
    ('{{printf "%q" \'x\'}}', "'x'"),
    ('{{printf "%v %s" .Config.Cmd .Config.Cmd}}', "[true] [true]"),
    ('{{printf "%q" .Config.Cmd}}', '["true"]'),
    ('{{if .State}}t{{end}}{{if .Config.Volumes}}v{{end}}{{if 0.0}}z{{end}}{{if "0"}}s{{end}}', "ts"),
    ('{{len "héllo"}}', "6"),
    ('{{index "abc" 1}}', "98"),
    ("{{index .Config.Cmd}}", "[true]"),
    (
        "{{1.0}} {{1e21}} {{1e20}} {{123456789.0}} {{0.000001}} {{1e-7}} {{-1}} {{+1}} {{1_000}}",
        "1 1e+21 1e+20 1.23456789e+08 1e-06 1e-07 -1 1 1000",
    ),
    ('{{title "HELLO wORLD foo-bar"}}', "HELLO WORLD Foo-Bar"),
    ('{{pad "" 2 2}}|', "|"),
    ('{{.Name}} {{- "x"}}', "/gtchk2x"),
    ("{{-3}} {{- 3}}", "-33"),
    ("{{.1}}", "0.1"),
    (
        "{{json .Config.Cmd}} {{json 1.0}} {{json 1e21}} {{json true}} {{json nil}}",
        '["true"] 1 1e+21 true null',
    ),
]

REFUSED = [
    ("{{.Foo}}", ':1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{.Foo.Bar}}", ':1:6: executing "" at <.Foo.Bar>: map has no entry for key "Foo"'),
    ("{{.State.Foo}}", ':1:8: executing "" at <.State.Foo>: map has no entry for key "Foo"'),
    (
        "{{index .Config.Cmd 5}}",
        ':1:2: executing "" at <index .Config.Cmd 5>: error calling index: index out of range: 5',
    ),
    ('{{index .Nope "x"}}', ':1:8: executing "" at <.Nope>: map has no entry for key "Nope"'),
    ("{{len .Foo}}", ':1:6: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{with .Foo}}yes{{else}}no{{end}}", ':1:7: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ('{{or .Foo "dflt"}}', ':1:5: executing "" at <.Foo>: map has no entry for key "Foo"'),
    (
        "{{eq .HostConfig.Memory 0.0}}",
        ':1:2: executing "" at <eq .HostConfig.Memory 0.0>: error calling eq: incompatible types for comparison',
    ),
    ("{{eq 1 1.0}}", ':1:2: executing "" at <eq 1 1.0>: error calling eq: incompatible types for comparison'),
    ('{{html "<a>&\\"\'"}} {{js "<a>\'\\""}} {{urlquote "a b&c/"}}', ':1: function "urlquote" not defined'),
    ("{{not true}} {{not .Foo}}", ':1:19: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{nil}}", ':1:2: executing "" at <nil>: nil is not a command'),
    ("{{json .Foo}}", ':1:7: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{}}", ":1: missing value for command"),
    ("{{.Name || upper}}", ':1: unexpected "|" in command'),
    ("{{if}}x{{end}}", ":1: missing value for if"),
    ("{{if .X}}", ":1: unexpected EOF"),
    ("{{end}}", ":1: unexpected {{end}}"),
    ("{{foo}}", ':1: function "foo" not defined'),
    ("{{.Name | foo}}", ':1: function "foo" not defined'),
    ("{{range .X}}{{break}}{{end}}{{break}}", ":1: {{break}} outside {{range}}"),
    ("{{$y}}", ':1: undefined variable "$y"'),
    ('{{"unterminated}}', ":1: unterminated quoted string"),
    ("{{.Name}", ":1: bad character U+007D '}'"),
    ("{{ .Name", ":1: unclosed action"),
    ("{{.State | .Name}}", ':1:11: executing "" at <.Name>: Name is not a method but has arguments'),
    ('{{template "no"}}', ':1:11: executing "" at <{{template "no"}}>: template "no" not defined'),
    ("{{upper 3}}", ':1:8: executing "" at <3>: expected string; found 3'),
    ("{{upper}}", ':1:2: executing "" at <upper>: wrong number of args for upper: want 1 got 0'),
    ('{{upper "a" "b"}}', ':1:2: executing "" at <upper>: wrong number of args for upper: want 1 got 2'),
    ("{{upper .Foo}}", ':1:8: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ('{{join .Foo ","}}', ':1:7: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ('{{split .Foo ","}}', ':1:8: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{len 3}}", ':1:2: executing "" at <len 3>: error calling len: len of type int'),
    (
        "{{index 3 1}}",
        ':1:2: executing "" at <index 3 1>: error calling index: can\'t index item of type int',
    ),
    ('{{lt 1 "a"}}', ':1:2: executing "" at <lt 1 "a">: error calling lt: incompatible types for comparison'),
    ('{{eq 1 "a"}}', ':1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison'),
    ("{{eq}}", ':1:2: executing "" at <eq>: wrong number of args for eq: want at least 1 got 0'),
    ("{{eq 1}}", ':1:2: executing "" at <eq 1>: error calling eq: missing argument for comparison'),
    ("{{range .Name}}x{{end}}", ':1:8: executing "" at <.Name>: range can\'t iterate over /gtchk2'),
    ("{{.Name.}}", ":1: unexpected <.> in operand"),
    (
        "{{with .Foo}}a{{else with .Name}}{{.}}{{end}}",
        ':1:7: executing "" at <.Foo>: map has no entry for key "Foo"',
    ),
    ('{{printf "%s" .Foo}}', ':1:14: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ('{{printf "%v" .Foo}}', ':1:14: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{println .Foo}}", ':1:10: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{print .Foo}}", ':1:8: executing "" at <.Foo>: map has no entry for key "Foo"'),
    ("{{.Foo | json}}", ':1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
    (
        '{{and 1 0 2}} {{or 0 "" "z"}} {{and}}',
        ':1:32: executing "" at <and>: wrong number of args for and: want at least 1 got 0',
    ),
    ("{{or}}", ':1:2: executing "" at <or>: wrong number of args for or: want at least 1 got 0'),
    ("{{not}}", ':1:2: executing "" at <not>: wrong number of args for not: want 1 got 0'),
    (
        "{{index .Config.Labels 1}}",
        ':1:2: executing "" at <index .Config.Labels 1>: error calling index: value has type int; should be string',
    ),
    (
        '{{index .Config.Cmd "x"}}',
        ':1:2: executing "" at <index .Config.Cmd "x">: error calling index: cannot index slice/array with type string',
    ),
    (
        "{{index .Config.Cmd -1}}",
        ':1:2: executing "" at <index .Config.Cmd -1>: error calling index: index out of range: -1',
    ),
    (
        '{{slice "abc" 5}}',
        ':1:2: executing "" at <slice "abc" 5>: error calling slice: index out of range: 5',
    ),
    ("{{table .Name}}", ':1: function "table" not defined'),
    ("{{true.X}}", ':1: unexpected . after term "true"'),
    ('{{"a" "b"}}', ':1:2: executing "" at <"a">: can\'t give argument to non-function "a"'),
    ("{{3 | 4}}", ":1: non executable command in pipeline stage 2"),
    ("{{.X := 3}}", ':1: unexpected ":=" in operand'),
    ("{{$x := 1, 2}}", ':1: unexpected "," in operand'),
    ("{{range $a, $b, $c := .X}}{{end}}", ":1: too many declarations in range"),
    ("{{else}}", ":1: unexpected {{else}}"),
    ("{{if .A}}{{else}}{{else}}{{end}}", ":1: expected end; found {{else}}"),
    ("{{(.Name}}", ":1: unclosed left paren"),
    ("{{.Name)}}", ":1: unexpected right paren"),
    ("{{'ab'}}", ":1: malformed character constant: 'ab'"),
    ('{{"a\\z"}}', ":1: invalid syntax"),
    ("{{1a}}", ':1: bad number syntax: "1a"'),
    ("{{$1}}", ':1: undefined variable "$1"'),
    ("{{.Name#}}", ":1: bad character U+0023 '#'"),
    ("{{/* x }}", ":1: unclosed comment"),
    ("{{template}}", ':1: unexpected "}}" in template clause'),
    ("{{continue}}", ":1: {{continue}} outside {{range}}"),
    ("{{printf}}", ':1:2: executing "" at <printf>: wrong number of args for printf: want at least 1 got 0'),
    ("{{json}}", ':1:2: executing "" at <json>: wrong number of args for json: want 1 got 0'),
    ("{{json 1 2}}", ':1:2: executing "" at <json>: wrong number of args for json: want 1 got 2'),
]


@pytest.mark.parametrize(("text", "expected"), RENDERED)
def test_rendered_as_docker_does(text: str, expected: str) -> None:
    assert Template(text).render(CONTAINER, strict=True) == expected


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_refused_as_docker_does(text: str, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Template(text).render(CONTAINER, strict=True)
    assert caught.value.message == f"template parsing error: template: {expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{.Nope}}|{{.Nope.Deeper}}|{{print .Nope}}", "<no value>|<no value>|<nil>"),
        ("{{range .Config.Env}}x{{else}}none{{end}}", "none"),
        ("{{len .Config.Env}}{{index .Config.Env \"A\"}}", "0"),
        ("{{with .Nope}}a{{else with .Name}}{{.}}{{end}}", "/gtchk2"),
        ("{{if .Nope}}a{{else if .Name}}b{{else}}c{{end}}", "b"),
        ("{{range .Config.Cmd}}{{continue}}x{{end}}{{range .Config.Cmd}}a{{break}}b{{end}}", "a"),
        ("{{and 0 .Nope.X}} {{or 1 (index 3 1)}}", "0 1"),
        ("{{urlquery \"a b&c/é~-_.\"}}", "a+b%26c%2F%C3%A9~-_."),
        ("{{html \"<a>&\\\"'\"}} {{js \"<a>&=\\n\"}}", "&lt;a&gt;&amp;&#34;&#39; \\u003Ca\\u003E\\u0026\\u003D\\u000A"),
        ("{{$i := 0}}{{range 3}}{{$i = .}}{{end}}{{$i}}", "2"),
        ("a{{/* x */ -}}  b", "ab"),
        ("a  {{- /* x */}}  b", "a  b"),
        ("{{define \"x\"}}{{if .}}{{.}}{{end}}{{end}}{{template \"x\" 7}}{{template \"x\"}}", "7"),
        ("{{(index .Config.Cmd 0) | printf \"%q\"}}", '"true"'),
    ],
)
def test_rendered_loosely(text: str, expected: str) -> None:
    assert Template(text).render(CONTAINER) == expected


def test_an_error_on_a_later_line_says_where() -> None:
    with pytest.raises(InvalidInput, match=r"template: :3:3: executing \"\" at <\.Foo>: map has no entry"):
        Template("a\n{{if true}}\n {{.Foo}}{{end}}").render({"Name": ""}, strict=True)


def test_a_template_that_calls_itself_ends() -> None:
    with pytest.raises(InvalidInput, match="exceeded maximum template depth"):
        Template("{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}").render({})


def test_records_know_their_fields() -> None:
    row = Record({"ID": "1", "Size": lambda: "big", "Label": lambda name: name * 2}, "container")
    assert Template("{{.ID}} {{.Size}} {{.Label \"x\"}}").render(row) == "1 big xx"
    assert Template("{{json .}}").render(row) == '{"ID":"1","Size":"big"}'
    assert Template("{{json .}}").render(Record({"B": "<", "A": None})) == '{"A":null,"B":"\\u003c"}'
    with pytest.raises(InvalidInput, match=r"<\.Foo>: can't evaluate field Foo in type container"):
        Template("{{.Foo}}").render(row)
    with pytest.raises(InvalidInput, match="can't evaluate field X in type string"):
        Template("{{.ID.X}}").render(row)
    with pytest.raises(InvalidInput, match="wrong number of args for Label: want 1 got 0"):
        Template("{{.Label}}").render(row)


def test_one_name_of_the_id_serves_for_both() -> None:
    assert Template("{{.ID}}{{.Id}}").render({"Id": "7"}, strict=True) == "77"


def test_a_field_that_json_leaves_out():
    omitted = {"B": {}, "C": None}
    assert Template("{{.A}} {{.B}} {{.C}}").render({"A": 1}, strict=True, omitted=omitted) == "1 map[] <nil>"
    with pytest.raises(InvalidInput):
        Template("{{.D}}").render({"A": 1}, strict=True, omitted=omitted)



def test_rows_are_rendered_fast() -> None:
    template = Template("{{.ID}}\\t{{.Names}}{{if .Ports}} {{.Ports}}{{end}}")
    row = Record({"ID": "1" * 12, "Names": "web", "Ports": ""})
    began = time.process_time()
    for _ in range(1000):
        template.render(row)
    assert time.process_time() - began < 0.5


def test_what_json_does_not_tell_apart_is_printed_as_the_types_that_it_is_in_go() -> None:
    value = {
        "Ports": {"80/tcp": [Struct({"HostIp": "", "HostPort": "8080"})], "90/tcp": NilList()},
        "Policy": Struct({"Name": "no"}, {"Name": "", "MaximumRetryCount": 0}), "Binds": NilList(), "Labels": NilMap(),
        "Nothing": Struct({}),
    }  # fmt: skip
    form = "{{.Ports}} {{.Policy}} {{.Binds}} {{len .Binds}} {{.Labels}} {{.Nothing}}{{if .Binds}}x{{end}}"
    assert Template(form).render(value) == "map[80/tcp:[{ 8080}] 90/tcp:[]] {no 0} [] 0 map[] {}"
    assert Template("{{json .Policy}} {{json .Binds}} {{json .Labels}}").render(value) == '{"Name":"no"} null null'
