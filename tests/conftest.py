"""The main fixture: a pair of engines in virtual time."""

import pytest
from hypothesis import settings
from virtual_pair import Pair

settings.register_profile("house", deadline=None, print_blob=True)  # no test asserts on the wall clock
settings.load_profile("house")


@pytest.fixture
def pair():
    """A client and a server, 10 ms apart on a clean network; nothing has been said yet."""
    return Pair()
