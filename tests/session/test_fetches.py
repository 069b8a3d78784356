"""GET, both halves: the client's folder has the server's file, whole, or nothing."""

import os
from io import BytesIO

import pytest
from virtual_pair import some_bytes
from virtual_sessions import KIB, SessionPair

from mayhem_udp.errors import Code, LocalFileError
from mayhem_udp.session.get import GetReceiver
from mayhem_udp.store.names import check_name
from mayhem_udp.store.outflow import Outflow

CHUNK = 1_024


def get(pair, name, **options):
    return pair.finish(pair.client.get(name, **options))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 300 * KIB, 1_024 * KIB + 1])
def test_a_file_of_any_size_comes_exact(tmp_path, size):
    pair = SessionPair(tmp_path, server={"chunk_bytes": CHUNK})
    data = some_bytes(size)
    (pair.root / "a.bin").write_bytes(data)
    assert get(pair, "a.bin").error is None
    assert pair.fetched("a.bin") == data


def test_a_file_comes_exact_over_a_hostile_network(hostile):
    data = some_bytes(200_000)
    (hostile.root / "a").write_bytes(data)
    assert get(hostile, "a").error is None
    assert hostile.fetched("a") == data
    assert hostile.stagings() == []


def test_the_client_says_where_a_file_lands(sessions):
    (sessions.root / "theirs").write_bytes(b"data")
    get(sessions, "theirs", to=check_name("ours"))
    assert sessions.fetched("ours") == b"data"
    assert sessions.fetched("theirs") is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing", Code.NOT_FOUND),
        ("folder", Code.IS_DIRECTORY),
        ("link", Code.NOT_REGULAR),
        ("pipe", Code.NOT_REGULAR),
        (".mayhem/staging", Code.NAME_RESERVED),
        ("folder/../a", Code.NAME_REFUSED),
    ],
)
def test_what_cannot_be_had_is_refused_by_its_code(sessions, tmp_path, name, code):
    (tmp_path / "secret").write_bytes(b"not yours")
    (sessions.root / "folder").mkdir()
    (sessions.root / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(sessions.root / "pipe")
    done = get(sessions, name, to=check_name("here"))
    assert done.error.code is code
    assert sessions.fetched("here") is None
    assert sessions.stagings() == []


def test_a_download_into_a_stream_comes_in_order(hostile):
    data = some_bytes(120_000)
    (hostile.root / "a").write_bytes(data)
    stream = BytesIO()
    hostile.finish(
        hostile.client.start(
            lambda *where: GetReceiver(*where, name="a", stage=lambda _: Outflow(stream), partial=None)
        )
    )
    assert stream.getvalue() == data


def test_a_stream_that_is_closed_ends_its_download_and_no_other(sessions):
    (sessions.root / "a").write_bytes(some_bytes(50_000))
    stream = BytesIO()
    stream.close()
    broken = sessions.client.start(
        lambda *where: GetReceiver(*where, name="a", stage=lambda _: Outflow(stream), partial=None)
    )
    whole = sessions.client.get("a")
    sessions.finish(broken, whole)
    assert isinstance(broken.error, LocalFileError)
    assert sessions.fetched("a") == some_bytes(50_000)


def test_many_files_come_side_by_side_on_one_connection(hostile):
    files = {f"{number}.bin": some_bytes(number * 1_111, seed=number) for number in range(12)}
    for name, data in files.items():
        (hostile.root / name).write_bytes(data)
    hostile.open()
    hostile.finish(*[hostile.client.get(name) for name in files])
    assert {name: hostile.fetched(name) for name in files} == files


def test_nothing_is_left_open_when_all_is_over(sessions):
    (sessions.root / "a").write_bytes(some_bytes(50_000))
    before = len(sessions.server.disk.open), len(sessions.client.disk.open)
    get(sessions, "a")
    get(sessions, "missing")
    sessions.finish(sessions.client.put("b", some_bytes(50_000)))
    sessions.wind_up()
    assert (len(sessions.server.disk.open), len(sessions.client.disk.open)) == before
