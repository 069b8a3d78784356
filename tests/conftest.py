"""The main fixture: a pair of engines in virtual time; and the end of every virtual process with its test."""

import pytest
from hypothesis import settings
from virtual_pair import Pair
from virtual_process import CountedDisk

settings.register_profile("house", deadline=None, print_blob=True)  # no test asserts on the wall clock
settings.load_profile("house")


@pytest.fixture
def pair():
    """A client and a server, 10 ms apart on a clean network; nothing has been said yet."""
    return Pair()


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test():
    """What a test's virtual processes have open is closed at its end."""
    yield
    CountedDisk.end_all()
