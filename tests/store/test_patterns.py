"""Patterns of names: their grammar, and that a walk goes only where something can match."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.limits import NAME_DEPTH_MAX
from mayhem_udp.store.patterns import check_pattern


def matches(pattern, path):
    return check_pattern(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("", "", True),
        ("", "a", False),
        ("a", "a", True),
        ("a", "A", False),
        ("a", "a/b", False),
        ("a/b", "a/b", True),
        ("*", "a", True),
        ("*", "a/b", False),
        ("*", "", False),
        ("*.jpg", "x.jpg", True),
        ("*.jpg", ".jpg", True),
        ("*.jpg", "x.jpg.txt", False),
        ("?", "a", True),
        ("?", "ab", False),
        ("[a-c]x", "bx", True),
        ("[!a]x", "ax", False),
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("**", "", False),
        ("a/**", "a", False),
        ("a/**", "a/b", True),
        ("a/**", "a/b/c", True),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("**/x", "a/b/y", False),
        ("a/**/x", "a/x", True),
        ("a/**/x", "a/b/c/x", True),
        ("a/**/x", "x", False),
        ("**/**", "a", True),
        ("**/*/x", "x", False),
        ("**/*/x", "a/x", True),
        ("a**", "abc", True),
        ("[*]", "*", True),
        ("[*]", "x", False),
        ("[[]x", "[x", True),
        ("[?].txt", "?.txt", True),
        ("[", "[", True),
        ("*\n", "x\n", True),
        ("*", "x\n", True),
    ],
)
def test_a_pattern_matches_what_a_shell_would(pattern, path, is_match):
    assert matches(pattern, path) is is_match


@pytest.mark.parametrize("pattern", ["/a", "a//b", "a/", "..", "a/../b", ".", "*\0", "../**"])
def test_a_pattern_that_leads_out_is_refused(pattern):
    with pytest.raises(RefusedError) as caught:
        check_pattern(pattern)
    assert caught.value.code is Code.NAME_REFUSED


def test_a_pattern_has_bounds():
    check_pattern("/".join(["*"] * NAME_DEPTH_MAX))
    check_pattern("*a" * 32)
    check_pattern("/".join(["[a-z]" * 16] * 2))
    check_pattern("[[]" * 40)
    for pattern, code in (
        ("/".join(["*"] * (NAME_DEPTH_MAX + 1)), Code.NAME_TOO_LONG),
        ("*a" * 33, Code.NAME_REFUSED),
        ("[a-z]" * 33, Code.NAME_REFUSED),
        ("/".join(["[a-z]" * 11] * 3), Code.NAME_REFUSED),
        ("x" * 5_000, Code.NAME_TOO_LONG),
        (b"\xff", Code.NAME_REFUSED),
    ):
        with pytest.raises(RefusedError) as caught:
            check_pattern(pattern)
        assert caught.value.code is code


def test_a_hostile_pattern_costs_no_more_than_a_long_one():
    """With a matcher that goes back over its stars this would not end before the sun does."""
    assert not matches("*a" * 32, "a" * 254 + "b")


def test_a_walk_knows_where_nothing_can_follow():
    pattern = check_pattern("photos/*/x.jpg")
    states = pattern.start()
    assert pattern.literals(states) == ("photos",)
    assert not pattern.step(states, "music")
    states = pattern.step(states, "photos")
    assert pattern.literals(states) is None
    states = pattern.step(states, "2024")
    assert pattern.literals(states) == ("x.jpg",)


@given(st.text("ab*?[]!-", max_size=8), st.text("ab*[]!-", min_size=1, max_size=6))
def test_one_part_matches_as_fnmatch_has_it(pattern, name):
    try:
        found = matches(pattern, name)
    except RefusedError:
        return
    if pattern not in {"", "**"} and "[" not in pattern:
        assert found == fnmatch.fnmatchcase(name, pattern)
