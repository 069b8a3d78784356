"""The main fixture: a pair of engines in virtual time."""

import pytest
from virtual_pair import Pair


@pytest.fixture
def pair():
    """A client and a server, 10 ms apart on a clean network; nothing has been said yet."""
    return Pair()
