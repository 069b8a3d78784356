"""The shell and the server that the tests of the command share."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from shell_in_memory import MemoryServer, Shell

from mayhem_udp.cli.main import VERBS

NOBODY = 65_534


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


@pytest.fixture
def shell(server: MemoryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Shell(server)


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[None]:
    """Root may read everything: it is somebody else meanwhile, who may come in here."""
    before = os.geteuid()
    if before == 0:
        for verb in VERBS:  # imported late, from where somebody else may not look
            import_module(f"mayhem_udp.cli.verbs.{verb}")
        tmp_path.chmod(0o777)
        os.setresuid(NOBODY, NOBODY, before)
    yield
    os.setresuid(before, before, before)
