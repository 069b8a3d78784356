"""Fixtures of the session's tests: a pair with sessions and stores, clean and hostile."""

import pytest
from virtual_sessions import SessionPair


@pytest.fixture
def sessions(tmp_path):
    """A client and a server with sessions and stores, 10 ms apart on a clean network."""
    return SessionPair(tmp_path)


@pytest.fixture
def hostile(tmp_path):
    """The same on a network that loses, damages, doubles and swaps a lot."""
    return SessionPair(tmp_path, "delay=10ms,drop=0.25,corrupt=0.1,reorder=0.2,duplicate=0.1", seed=7)
