"""The fixture of the end-to-end tests: a folder with real processes in it."""

import pytest
from town import Town


@pytest.fixture
def town(tmp_path):
    """Starts daemons, proxies and commands, and ends them after the test."""
    town = Town(tmp_path)
    yield town
    town.close()
