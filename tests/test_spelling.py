"""Names are UTF-8 whatever a machine's locale makes of the bytes of its files."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.spelling import as_name, as_path

NO_LOCALE = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


@pytest.mark.parametrize(
    ("text", "name"),
    [("plain", "plain"), ("ünï—☃", "ünï—☃"), ("\udcc3\udcbc", "ü"), ("a\udcff", "a\udcff")],
)
def test_bytes_that_are_utf_8_make_a_name_and_others_stay_what_they_are(text: str, name: str):
    assert as_name(text) == name


@given(st.text())
def test_a_name_that_the_locale_can_spell_is_its_path(name: str):
    assert as_path(as_name(name)) == name


def test_a_locale_without_letters_changes_no_bytes():
    code = """
import os, sys
from mayhem_udp.spelling import as_name, as_path
assert sys.getfilesystemencoding() != "utf-8"
for name in map(os.fsencode, sys.argv[1:]):
    text = as_name(os.fsdecode(name))
    assert text == name.decode() and not any("\\udc80" <= char <= "\\udcff" for char in text), ascii(text)
    assert os.fsencode(as_path(text)) == os.fsencode(as_path(os.fsdecode(name))) == name
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "ünï—☃.txt", "plain", "dö/fä"],
        env={**os.environ, **NO_LOCALE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
