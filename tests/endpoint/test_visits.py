"""Tokens of earlier visits: kept for their server, lost without harm."""

import os
import stat
from pathlib import Path

import pytest

from mayhem_udp.endpoint.visits import Visits, cache_folder
from mayhem_udp.limits import TOKEN_MAX_BYTES
from mayhem_udp.url import HostPort

HERE = HostPort("files.example.org", 5000)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "mayhem_udp"


def test_a_token_is_kept_for_its_server_alone(folder):
    visits = Visits(folder)
    assert visits.token_of(HERE) == b""
    visits.keep(HERE, b"proof")
    assert Visits(folder).token_of(HERE) == b"proof"
    assert visits.token_of(HostPort(HERE.host, 5001)) == b""
    assert visits.token_of(HostPort("elsewhere", HERE.port)) == b""


def test_the_latest_token_counts(folder):
    visits = Visits(folder)
    for token in (b"a longer one", b"short"):
        visits.keep(HERE, token)
    assert visits.token_of(HERE) == b"short"
    assert len(list(folder.iterdir())) == 1, "nothing is left beside it"


def test_tokens_are_for_their_owner_only(folder):
    Visits(folder).keep(HERE, b"proof")
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_host_of_any_spelling_cannot_choose_the_files_name(folder):
    Visits(folder).keep(HostPort("../../../etc/passwd", 1), b"proof")
    (file,) = folder.iterdir()
    assert file.name.startswith("token-")


def test_a_token_that_is_too_long_is_no_token(folder):
    visits = Visits(folder)
    visits.keep(HERE, b"x" * TOKEN_MAX_BYTES)
    assert len(visits.token_of(HERE)) == TOKEN_MAX_BYTES
    visits.keep(HERE, b"x" * (TOKEN_MAX_BYTES + 1))
    assert visits.token_of(HERE) == b""


def test_where_nothing_can_be_written_nothing_is_and_nobody_fails(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    visits = Visits(in_the_way / "below")
    visits.keep(HERE, b"proof")
    assert visits.token_of(HERE) == b""


def test_a_link_in_the_way_is_not_followed(folder, tmp_path):
    visits = Visits(folder)
    visits.keep(HERE, b"proof")
    (file,) = folder.iterdir()
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    os.symlink(precious, folder / f"{file.name}.{os.getpid()}")
    visits.keep(HERE, b"newer")
    assert precious.read_bytes() == b"mine"


def test_the_folder_is_the_one_chosen_or_where_caches_are(monkeypatch):
    assert cache_folder(Path("/chosen")) == Path("/chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder(None) == Path("/caches/mayhem_udp")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder(None) == Path("~/.cache/mayhem_udp").expanduser()
