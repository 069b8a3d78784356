"""What fuzzing has found worth keeping is tried again at every run: no input breaks a promise."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import TARGETS

CORPUS = Path(__file__).resolve().parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_breaks_no_promise(name):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs, "a target has a corpus to begin with"
    for each in inputs:
        TARGETS[name](each.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_break_a_promise(name):
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=400))
    def holds(data):
        TARGETS[name](data)

    holds()


def test_targets_and_corpora_are_the_same():
    assert {each.name for each in CORPUS.iterdir()} == set(TARGETS)
