"""Settings: the kinds of values, how each is read and shown, and the lines of a file where keys stand."""

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mayhem_udp.config.kinds import Count, Duration, Flag, Rate, Share, Size
from mayhem_udp.config.place import line_of, lines_of
from mayhem_udp.config.schema import SETTINGS
from mayhem_udp.units import MINUTE, SECOND

# --- Lines ------------------------------------------------------------------------------------------


def test_lines_are_found_past_texts_comments_and_arrays():
    text = '''# [commented]
a.b = """
[not.a.table]
c = 1
"""
"quoted.key" = { inner = [1,
  2], other = "=" } # c = 2
[ table . "sub table" ]
list = [ # [x]
  "y = 1",
  ["z"],
]
last = 1'''
    tomllib.loads(text)
    places = lines_of(text)
    assert places == {
        ("a",): 2,
        ("a", "b"): 2,
        ("quoted.key",): 6,
        ("table",): 8,
        ("table", "sub table"): 8,
        ("table", "sub table", "list"): 9,
        ("table", "sub table", "last"): 13,
    }
    assert line_of(places, ("quoted.key", "inner")) == 6
    assert line_of(places, ("nowhere", "at all")) is None


@given(st.text(alphabet="ab.=[]{}\"'#\\\n 1,", max_size=60))
@example('a = """"""\nb=1')
@example("a = ''''x'''\nb=1")
def test_lines_of_any_toml_text_are_those_of_its_keys(text: str):
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    top_keys = {path[0] for path in lines_of(text)}
    escaped = any("\\" in key for key in top_keys)
    assert escaped or top_keys == set(tables)


# --- Kinds ------------------------------------------------------------------------------------------


@given(st.integers(0, 1 << 53))
@pytest.mark.parametrize(
    "kind", [Size(0, 1 << 62), Rate(0, 1 << 62), Duration(0, 1 << 62), Count(0, 1 << 62)]
)
def test_a_number_is_shown_as_it_would_be_read(kind, value: int):
    shown = tomllib.loads(f"value = {kind.to_toml(value)}")["value"]
    if not isinstance(kind, Duration) or isinstance(shown, str):
        assert kind.from_toml(shown) == value


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (Size(0, 1 << 62), 1500, "1500"),
        (Size(0, 1 << 62), 65_536, '"64K"'),
        (Size(0, 1 << 62), 65_537, "65537"),
        (Size(0, 1 << 62), 3 << 40, '"3T"'),
        (Rate(0, 1 << 62), 1_500_000_000, '"1500M"'),
        (Rate(0, 1 << 62), 2_000, '"2k"'),
        (Rate(0, 1 << 62), 10**10, '"10G"'),
        (Duration(0, 1 << 62), 172_800 * SECOND, '"2d"'),
        (Duration(0, 1 << 62), 90 * SECOND, '"90s"'),
        (Duration(0, 1 << 62), 0, "0"),
    ],
)
def test_a_number_is_shown_in_the_largest_unit_that_loses_nothing(kind, value: int, shown: str):
    assert kind.to_toml(value) == shown


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Size(0, 1 << 62), "64K", 65_536),
        (Size(0, 1 << 62), "64kB", 64_000),
        (Rate(0, 1 << 62), "20M", 20_000_000),
        (Rate(0, 1 << 62), "1.5 Gbit/s", 1_500_000_000),
        (Duration(0, 1 << 62), "1.5", 1_500_000_000),
        (Duration(0, 1 << 62), "2min", 2 * MINUTE),
        (Share(), "10%", 0.1),
        (Flag(), "on", True),
        (Flag(), "No", False),
        (Count(0, 10), "7", 7),
    ],
)
def test_texts_stand_for_values(kind, text: str, value: object):
    assert kind.from_text(text) == value


@given(st.text(max_size=40), st.sampled_from([setting.kind for setting in SETTINGS.values()]))
@example("9" * 40, Duration(0, 1 << 62))
@example("1e400", Share())
@example("mayhem://[", SETTINGS["client.url"].kind)
def test_no_text_whatever_breaks_a_kind(text: str, kind):
    for read in (kind.from_text, kind.from_toml):
        try:
            read(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017  # the reason is what the user sees


@given(st.sampled_from([float("inf"), float("-inf"), float("nan"), 1e300, -1, 1 << 70, True, [], {}]))
def test_no_value_whatever_breaks_a_kind(value: object):
    for setting in SETTINGS.values():
        try:
            setting.kind.from_toml(value)
        except ValueError as error:
            assert str(error)  # noqa: PT017  # the reason is what the user sees
