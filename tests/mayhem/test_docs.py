"""The page on mayhem says what the code does: every key, profile and source is in it."""

import re
from pathlib import Path

import pytest

from mayhem_udp.mayhem.profiles import PROFILES
from mayhem_udp.mayhem.spec import KEYS, parse_spec

PAGE = (Path(__file__).parents[2] / "docs" / "mayhem.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_on_the_page_with_its_figures_and_its_source(name):
    profile = PROFILES[name]
    assert f"| `{name}` | {profile.summary} | `{profile.spec}` | {profile.source} |" in PAGE


def test_every_key_is_on_the_page():
    table = PAGE[PAGE.index("| key |") : PAGE.index("## The models")]
    assert {*KEYS, "seed", "direction"} <= set(re.findall(r"`(\w+)`", table))


def test_every_spec_on_the_page_reads():
    specs = re.findall(r"--mayhem ([a-z0-9.,=%-]+)", PAGE)
    assert len(specs) > 3
    for spec in specs:
        parse_spec(spec)
