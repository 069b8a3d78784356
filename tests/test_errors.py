"""The page of errors: no code without a use, no number given twice."""

import re
from pathlib import Path

import pytest

import mayhem_udp
from mayhem_udp.errors import Code, MayhemError, error_of_code

PACKAGE = Path(mayhem_udp.__file__).parent
DEFAULTS_OF_KINDS = {kind.default_code for kind in (MayhemError, *MayhemError.__subclasses__())}


def test_every_code_is_given_somewhere():
    texts = [each.read_text("utf-8") for each in PACKAGE.rglob("*.py") if each.name != "errors.py"]
    given = {name for text in texts for name in re.findall(r"\bCode\.([A-Z_]+)\b", text)}
    assert {code.name for code in Code} - given - {code.name for code in DEFAULTS_OF_KINDS} <= {"LOCAL_FILE"}


def test_a_number_that_was_taken_back_is_not_given_again():
    assert 18 not in set(Code)


def test_a_code_that_nobody_knows_is_a_refusal_with_its_number():
    assert "18" in str(error_of_code(18, "some other day"))


@pytest.mark.parametrize(
    ("said", "message", "remedy"),
    [
        ("there is no a; see what there is", "there is no a", "see what there is"),
        ("there is no a; b; see what there is", "there is no a; b", "see what there is"),
        ("the store is closed", "the store is closed", ""),
        ("; see what there is", "; see what there is", ""),
        ("there is no a; ", "there is no a; ", ""),
    ],
)
def test_what_the_other_side_advises_is_the_remedy_and_the_words_are_the_same(said, message, remedy):
    error = error_of_code(Code.NOT_FOUND, said)
    assert (error.message, error.remedy, str(error)) == (message, remedy, said)
