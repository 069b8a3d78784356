"""PUT, both halves: what was sent is in place under its name, whole, or it is not there."""

from hashlib import sha256

import pytest
from virtual_pair import UNIX_S, some_bytes
from virtual_sessions import KIB, SECOND, SessionPair

from mayhem_udp.errors import Code, RefusedError, TransferError
from mayhem_udp.store.journal import JournalPolicy
from mayhem_udp.store.quota import StoreLimits
from mayhem_udp.store.source import StreamSource

CHUNK = 1_024


def put(pair, name, data, **options):
    return pair.finish(pair.client.put(name, data, **options))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 300 * KIB, 1_024 * KIB + 1])
def test_a_file_of_any_size_arrives_exact(tmp_path, size):
    pair = SessionPair(tmp_path, client={"chunk_bytes": CHUNK})
    data = some_bytes(size)
    done = put(pair, "a.bin", data)
    assert done.error is None
    assert done.sha256 == sha256(data).digest()
    assert pair.served("a.bin") == data


def test_a_file_arrives_exact_over_a_hostile_network(hostile):
    data = some_bytes(200_000)
    assert put(hostile, "deep/in/a.bin", data).error is None
    assert hostile.served("deep/in/a.bin") == data
    assert hostile.stagings() == []


def test_times_and_permissions_travel_with_the_file(sessions):
    put(sessions, "a", b"content")
    status = (sessions.root / "a").stat()
    assert status.st_mtime_ns == UNIX_S * SECOND
    assert status.st_mode & 0o7777 == 0o640


def test_a_new_version_replaces_the_old_one_at_once(sessions):
    put(sessions, "a", b"old")
    put(sessions, "a", b"the new one")
    assert sessions.served("a") == b"the new one"


def test_until_all_of_it_is_checked_the_name_holds_the_old_version(tmp_path):
    pair = SessionPair(tmp_path, "delay=10ms,rate=2M")
    put(pair, "a", b"old")
    exchange = pair.client.put("a", some_bytes(100_000))
    versions = set()

    def is_over():
        versions.add(pair.served("a"))
        return exchange.is_over

    pair.run_until(is_over)
    assert versions == {b"old", some_bytes(100_000)}


def test_of_two_uploads_of_one_name_the_last_that_completes_is_there_whole(sessions):
    first, second = some_bytes(300_000, seed=1), some_bytes(200_000, seed=2)
    sessions.finish(sessions.client.put("a", first), sessions.client.put("a", second))
    assert sessions.served("a") in (first, second)
    assert sessions.stagings() == []


def test_many_files_go_side_by_side_on_one_connection(hostile):
    files = {f"{number}.bin": some_bytes(number * 1_111, seed=number) for number in range(12)}
    hostile.open()
    exchanges = [hostile.client.put(name, data) for name, data in files.items()]
    hostile.finish(*exchanges)
    assert {name: hostile.served(name) for name in files} == files


def test_a_stream_whose_size_nobody_knows_arrives_whole(sessions):
    data = some_bytes(150_000)
    source = StreamSource(Trickle(data), mtime_ns=0)
    done = put(sessions, "a", b"", source=source)
    assert done.error is None
    assert sessions.served("a") == data


class Trickle:
    """A stream that gives a little at a time."""

    def __init__(self, data):
        self.data = data

    def read(self, size):
        piece, self.data = self.data[: min(size, 7_000)], self.data[min(size, 7_000) :]
        return piece

    readinto = None
    read1 = read


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../a", Code.NAME_REFUSED),
        ("a/../../b", Code.NAME_REFUSED),
        ("/etc/passwd", Code.NAME_REFUSED),
        ("a\0b", Code.NAME_REFUSED),
        ("a\nb", Code.NAME_REFUSED),
        ("\x1b[2Jx", Code.NAME_REFUSED),
        ("a\\b", Code.NAME_REFUSED),
        ("a\u202eexe.txt", Code.NAME_REFUSED),
        ("C:x", Code.NAME_REFUSED),
        ("", Code.NAME_REFUSED),
        (".", Code.NAME_REFUSED),
        ("a//b", Code.NAME_REFUSED),
        (".mayhem/secret", Code.NAME_RESERVED),
        (".MAYHEM", Code.NAME_RESERVED),
        ("n" * 256, Code.NAME_TOO_LONG),
        ("é" * 128, Code.NAME_TOO_LONG),
        ("/".join("d" * 65), Code.NAME_TOO_LONG),
    ],
)
def test_a_name_that_will_not_do_is_refused_by_its_code(sessions, name, code):
    before = sorted(sessions.root.rglob("*"))
    done = put(sessions, name, b"data")
    assert isinstance(done.error, RefusedError)
    assert done.error.code is code
    assert sorted(sessions.root.rglob("*")) == before


def test_the_longest_names_are_taken(sessions):
    for name in ("n" * 255, "é" * 127, "/".join("d" * 63)):
        assert put(sessions, name, b"x").error is None
        assert sessions.served(name) == b"x"


def test_a_folder_is_not_replaced_by_a_file(sessions):
    (sessions.root / "folder").mkdir()
    assert put(sessions, "folder", b"x").error.code is Code.IS_DIRECTORY


def test_a_file_above_the_limit_is_refused_before_its_first_byte(tmp_path):
    pair = SessionPair(tmp_path, server_options={"limits": StoreLimits(file_size_max_bytes=1_000)})
    assert put(pair, "fits", bytes(1_000)).error is None
    done = put(pair, "does not", bytes(1_001))
    assert done.error.code is Code.FILE_TOO_LARGE
    assert pair.served("does not") is None
    assert pair.stagings() == []


def test_a_store_that_is_full_says_so_and_takes_what_still_fits(tmp_path):
    pair = SessionPair(tmp_path, server_options={"limits": StoreLimits(stored_max_bytes=1_000)})
    assert put(pair, "a", bytes(700)).error is None
    assert put(pair, "b", bytes(400)).error.code is Code.STORE_FULL
    assert put(pair, "c", bytes(300)).error is None


def test_one_refusal_leaves_the_others_of_the_connection_alone(sessions):
    data = some_bytes(100_000)
    refused, taken = sessions.client.put("../out", data), sessions.client.put("in", data)
    sessions.finish(refused, taken)
    assert refused.error is not None
    assert sessions.served("in") == data


def test_an_upload_that_the_client_gives_up_leaves_no_name(tmp_path):
    pair = SessionPair(tmp_path, "delay=10ms,rate=1M", server_options={"policy": JournalPolicy()})
    exchange = pair.client.put("a", some_bytes(300_000))
    pair.run_until(lambda: pair.server.transfers == 1)
    exchange.fail(TransferError("enough", code=Code.CANCELLED))
    pair.run(seconds=1)
    assert pair.served("a") is None
    assert pair.server.transfers == 0
    assert pair.stagings() == [], "so little is not worth being kept"
    assert pair.server.store.quota.open_files == 0
