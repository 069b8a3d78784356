"""Nothing that a peer sends moves the cursor, hides, or turns the text around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.escape import escape, escape_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, кириллица, 日本語, ñ, 😀", "plain, кириллица, 日本語, ñ, 😀"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066a\u2069\u200b\ufeff", "\\u2066a\\u2069\\u200b\\ufeff"),
        ("\u2028\x85\x9b", "\\u2028\\x85\\x9b"),
        ("\udcff\U000e0041", "\\udcff\\U000e0041"),
    ],
)
def test_what_does_not_print_is_written_out(text: str, shown: str):
    assert escape(text) == shown


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_everything_that_comes_out_prints(text: str):
    assert escape(text).isprintable()
    assert escape_lines(text).replace("\n", "").isprintable()


def test_lines_stay_lines_where_they_are_wanted():
    assert escape_lines("a\nb\x07") == "a\nb\\x07"
