"""The shell and the server that the tests of the command share."""

from pathlib import Path

import pytest
from shell_in_memory import MemoryServer, Shell


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


@pytest.fixture
def shell(server: MemoryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Shell(server)
