"""Bytes that are not those that were sent, past every CRC32: repaired, or never put in place."""

import sys
from pathlib import Path

import pytest
from town import Daemon, digest_of

LYING_SERVER = Path(__file__).with_name("lying_server.py")
SIZE = 700_000


@pytest.fixture
def lying(town):
    """Starts a server that sends other bytes than it hashes."""

    def start(mode):
        root = town.folder / "root"
        arguments = [sys.executable, str(LYING_SERVER), mode, "serve", "--listen", "127.0.0.1:0",
                     "--root", str(root), "--log-format", "json"]  # fmt: skip
        made = Daemon(arguments, environ=town.environ, folder=town.folder, root=root)
        town.running.append(made)
        return made

    return start


def test_bytes_that_changed_on_the_way_are_found_and_fetched_again(town, lying):
    daemon, file = lying("once"), town.file("original", SIZE)
    (daemon.root / "file").write_bytes(file.read_bytes())
    (result,) = town.mayhem("get", "--json", daemon.url + "file").well().results
    assert result["verified"]
    assert result["sha256"] == digest_of(file) == digest_of(town.here / "file")


@pytest.mark.parametrize("old", [None, b"the old file"])
def test_bytes_that_are_wrong_again_and_again_are_exit_code_4_and_nothing_is_put_in_place(town, lying, old):
    daemon, file = lying("always"), town.file("original", SIZE)
    (daemon.root / "file").write_bytes(file.read_bytes())
    if old is not None:
        (town.here / "file").write_bytes(old)
    ended = town.mayhem("get", daemon.url + "file")
    assert ended.code == 4, ended.err
    assert "damaged" in ended.err
    assert "verified" not in ended.out
    left = town.here / "file"
    assert (left.read_bytes() if left.exists() else None) == old
    (aside,) = (each for each in town.here.iterdir() if each.name.endswith(".damaged"))
    assert aside.stat().st_size == SIZE, "kept for inspection"
