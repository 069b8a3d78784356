"""The fixture of the pages' tests: a real daemon, which their examples talk to."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

MAYHEM = Path(sys.executable).with_name("mayhem")


@pytest.fixture
def server_url(tmp_path):
    """A daemon on a free port; it is ended after the test."""
    arguments = ["serve", "--listen", "127.0.0.1:0", "--root", str(tmp_path / "root"), "--log-format", "json"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen([MAYHEM, *arguments], stdout=log, stderr=subprocess.PIPE, env=environ) as daemon,
    ):
        try:
            first = daemon.stderr.readline().decode()
            found = re.search(r'"port": (\d+)', first)
            assert found, first
            yield f"mayhem://127.0.0.1:{found[1]}/"
        finally:
            daemon.terminate()
            daemon.communicate(timeout=60)
    assert daemon.returncode == 0
