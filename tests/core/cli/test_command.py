"""Commands read their words as Docker does, complain in its wording, and look like it in --help."""

import click
import pytest

from sampan.cli.command import command
from sampan.cli.context import Context, pass_context
from sampan.config import Settings
from sampan.plugin.index import Claim
from sampan.plugin.manager import Plugins


@command("run", failure=125, interspersed=False)
@click.option("-i", "--interactive", is_flag=True, help="Keep STDIN open even if not attached")
@click.option("-t", "--tty", is_flag=True, help="Allocate a pseudo-TTY")
@click.option("--rm", is_flag=True)
@click.option("--sig-proxy", type=bool, default=True, help="Proxy received signals")
@click.option("-e", "--env", multiple=True, help="Set environment variables")
@click.option("-m", "--memory", type=int, metavar="bytes", help="Memory limit")
@click.option("--name", help="Assign a name")
@click.option("-v", "--volume", multiple=True)
@click.argument("image", metavar="IMAGE")
@click.argument("words", nargs=-1, metavar="[COMMAND] [ARG...]")
@pass_context
def run(context, **given):
    """Create and run a new container from an image."""
    assert isinstance(context, Context)
    return given


DEFAULTS = {
    "interactive": False, "tty": False, "rm": False, "sig_proxy": True, "env": (), "memory": None, "name": None,
    "volume": (), "image": "img", "words": (),
}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["img"], {}),
        (["-it", "img"], {"interactive": True, "tty": True}),
        (["-it=false", "img"], {"interactive": True, "tty": False}),
        (["--rm", "img"], {"rm": True}),
        (["--rm=true", "img"], {"rm": True}),
        (["--rm=0", "img"], {"rm": False}),
        (["--rm", "--rm=false", "img"], {"rm": False}),
        (["--rm=false", "--rm", "img"], {"rm": True}),
        (["--sig-proxy=false", "img"], {"sig_proxy": False}),
        (["--sig-proxy", "img"], {}),
        (["-e", "A=1", "-eB=2", "-e=C=3", "--env=D=4", "--env", "E=5", "img"],
         {"env": ("A=1", "B=2", "C=3", "D=4", "E=5")}),
        (["-ite", "A=1", "img"], {"interactive": True, "tty": True, "env": ("A=1",)}),
        (["-e", "-x", "--name", "--rm", "img"], {"env": ("-x",), "name": "--rm"}),
        (["--name=", "img"], {"name": ""}),
        (["-m", "5", "-m=6", "img"], {"memory": 6}),
        (["img", "ls", "-l", "--rm", "--", "x"], {"words": ("ls", "-l", "--rm", "--", "x")}),
        (["--rm", "--", "img", "-it"], {"rm": True, "words": ("-it",)}),
        (["img", "-"], {"words": ("-",)}),
        (["-v", "/a:/b", "img"], {"volume": ("/a:/b",)}),
    ],
)
def test_words(invoke, words, expected):
    assert invoke(run, *words).result == {**DEFAULTS, **expected}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--foo", "img"], "unknown flag: --foo"),
        (["--nam=x", "img"], "unknown flag: --nam"),
        (["-Z", "img"], "unknown shorthand flag: 'Z' in -Z"),
        (["-itZ", "img"], "unknown shorthand flag: 'Z' in -itZ"),
        (["--memory"], "flag needs an argument: --memory"),
        (["-it", "-m"], "flag needs an argument: 'm' in -m"),
        (["--rm=maybe", "img"],
         'invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax'),
        (["-m", "much", "img"], "invalid argument \"much\" for \"-m, --memory\" flag: 'much' is not a valid integer"),
    ],
)
def test_wrong_flags_are_125_and_show_the_usage(invoke, words, complaint):
    error = invoke(run, *words).error
    assert error.exit_code == 125
    assert error.format_message() == (
        f"{complaint}\n\nUsage:  sampan run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\n"
        "Run 'sampan run --help' for more information"
    )


def taking(*arguments):
    @command("do")
    def do(**given):
        """Do."""
        return given

    do.params = [click.Argument([name], **more) for name, more in arguments]
    return do


@pytest.mark.parametrize(
    ("arguments", "words", "complaint"),
    [
        ((), ["x"], "accepts no arguments"),
        ((("a", {}),), [], "requires 1 argument"),
        ((("a", {}), ("b", {})), ["x"], "requires 2 arguments"),
        ((("a", {}), ("b", {})), ["x", "y", "z"], "requires 2 arguments"),
        ((("a", {"nargs": -1, "required": True}),), [], "requires at least 1 argument"),
        ((("a", {}), ("b", {"nargs": -1, "required": True})), ["x"], "requires at least 2 arguments"),
        ((("a", {"required": False}),), ["x", "y"], "requires at most 1 argument"),
        ((("a", {}), ("b", {"required": False})), [], "requires at least 1 and at most 2 arguments"),
    ],
)
def test_wrong_numbers_of_arguments_are_1(invoke, arguments, words, complaint):
    outcome = invoke(taking(*arguments), *words, path="sampan do")
    assert outcome.complaint == f"sampan: 'sampan do' {complaint}"
    assert outcome.error.exit_code == 1


def test_the_wording_of_at_least_is_dockers(invoke):
    outcome = invoke(taking(("a", {"nargs": -1, "required": True, "metavar": "X [X...]"})), path="sampan rm")
    assert outcome.error.format_message() == (
        "sampan: 'sampan rm' requires at least 1 argument\n\nUsage:  sampan rm X [X...]\n\n"
        "See 'sampan rm --help' for more information"
    )


def test_failure_is_left_on_the_context():
    context = Context(Plugins(Settings(), claims=()))
    with run.make_context("run", ["img"], obj=context) as ctx:
        assert context.failure == 1
        run.invoke(ctx)
    assert context.failure == 125


def test_help():
    claims = (Claim("commands", "container.run", "m", "d", "1"), Claim("commands", "run", "m", "d", "1"))
    context = Context(Plugins(Settings(), claims=claims))
    with run.make_context("sampan run", ["img"], obj=context) as ctx:
        assert run.get_help(ctx) == """\
Usage:  sampan run [OPTIONS] IMAGE [COMMAND] [ARG...]

Create and run a new container from an image

Aliases:
  sampan container run, sampan run

Options:
  -e, --env list       Set environment variables
  -i, --interactive    Keep STDIN open even if not attached
  -m, --memory bytes   Memory limit
      --name string    Assign a name
      --rm
      --sig-proxy      Proxy received signals
  -t, --tty            Allocate a pseudo-TTY
  -v, --volume list"""
