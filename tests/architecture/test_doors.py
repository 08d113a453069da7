"""What an engine offers is divided by theme, and no theme hides what another offers."""

from sampan.engine.doors.base import Doors
from sampan.engine.engine import Engine

THEMES = [one for one in Engine.__mro__ if issubclass(one, Doors) and one not in (Engine, Doors)]


def test_every_theme_is_part_of_the_engine():
    assert set(Doors.__subclasses__()) == {*THEMES}


def test_no_two_themes_offer_the_same():
    offered = [name for one in (Engine, *THEMES) for name in vars(one) if not name.startswith("_")]
    assert sorted(offered) == sorted(set(offered))


def test_a_theme_keeps_to_its_doors():
    for theme in THEMES:
        assert [name for name in vars(theme) if name.startswith("_") and not name.startswith("__")] == []
