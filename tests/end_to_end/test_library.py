"""The library: `mayhem_udp.connect`, against a real daemon."""

import io
import os
from dataclasses import FrozenInstanceError
from hashlib import sha256

import pytest

import mayhem_udp
from mayhem_udp.api.uploads import PACK_FILES
from mayhem_udp.errors import (
    Code,
    ConfigError,
    LocalFileError,
    MayhemError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from mayhem_udp.results import EntryKind, Phase, TransferFailure, TransferResult

DATA = bytes(range(256)) * 1_000


@pytest.fixture
def url(town):
    return town.daemon().url


@pytest.fixture
def server(town, url):
    with mayhem_udp.connect(url, cache_dir=str(town.folder / "tokens")) as client:
        yield client


class OnlyReads:
    """A binary file object that can do nothing but be read."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, size=-1):
        return self._file.read(size)


@pytest.mark.parametrize(
    "source", [DATA, bytearray(DATA), memoryview(DATA), io.BytesIO(DATA), OnlyReads(DATA)]
)
def test_whatever_has_bytes_can_be_put(server, source):
    result = server.put(source, "folder/name")
    assert (result.name, result.bytes, result.sha256) == ("folder/name", len(DATA), sha256(DATA).hexdigest())
    assert result.verified
    back = io.BytesIO()
    assert server.get("folder/name", back).verified
    assert back.getvalue() == DATA


def test_a_path_keeps_its_name_or_goes_into_a_folder(server, town):
    path = town.file("a.bin", 3_000)
    assert server.put(path).name == "a.bin"
    assert server.put(str(path), "folder/").name == "folder/a.bin"
    assert server.put(path, "b.bin").name == "b.bin"
    assert [each.name for each in server.list("**")] == ["a.bin", "b.bin", "folder", "folder/a.bin"]


def test_bytes_have_no_name_of_their_own(server):
    with pytest.raises(UsageError, match="no name of its own"):
        server.put(b"some bytes")


def test_a_file_is_got_to_exactly_the_path_given(server, town):
    server.put(DATA, "a")
    result = server.get("a", town.folder / "new" / "b")
    assert result.path == town.folder / "new" / "b"
    assert result.path.read_bytes() == DATA
    assert os.listdir(town.folder / "new") == ["b"]


def test_without_a_destination_a_file_lands_here_under_its_last_name(server, town, monkeypatch):
    monkeypatch.chdir(town.here)
    server.put(DATA, "folder/a")
    assert server.get("folder/a").path.read_bytes() == DATA
    assert (town.here / "a").read_bytes() == DATA


def test_a_round_trip_of_a_path_is_saved_and_one_of_bytes_is_compared(server, town):
    path = town.file("a.bin", 300_000)
    result = server.echo(path, out_dir=town.folder)
    assert result.path == town.folder / "received_a.bin"
    assert result.path.read_bytes() == path.read_bytes()
    assert server.echo(DATA, "bytes").sha256 == sha256(DATA).hexdigest()
    assert server.echo(OnlyReads(DATA), "stream").verified
    assert server.list() == []


def test_many_files_go_each_with_its_own_outcome(server, town):
    files = [(town.file(f"many/{number}", 100 + number), f"many/{number}") for number in range(300)]
    files += [(town.file("large", 500_000), "large"), (town.here / "missing", "missing")]
    outcomes = {each.name: each for each in server.put_many(files)}
    assert len(outcomes) == len(files)
    assert isinstance(outcomes["missing"], TransferFailure)
    assert isinstance(outcomes["missing"].error, LocalFileError)
    assert all(isinstance(each, TransferResult) for name, each in outcomes.items() if name != "missing")
    wanted = [(name, town.folder / "back" / name) for _, name in files]
    got = {each.name: each for each in server.get_many(wanted)}
    assert len(got) == len(files)
    assert got["missing"].error.code == Code.NOT_FOUND
    for path, name in files[:-1]:
        assert got[name].verified
        assert (town.folder / "back" / name).read_bytes() == path.read_bytes()


def test_small_files_say_that_they_travel_together_and_how_many_have_arrived(town):
    daemon, steps = town.daemon(), []
    names = [f"many/{number}" for number in range(300)]
    files = [(town.file(name, 20_000), name) for name in names]
    with mayhem_udp.connect(daemon.url, progress=steps.append) as client:
        sent = list(client.put_many(files))
        got = list(client.get_many([(name, town.folder / "back" / name) for name in names]))
        alone = client.put(b"one", "alone")
    together = [each for each in steps if each.files > 1]
    assert {each.files for each in together} <= {each.together for each in (*sent, *got)}
    assert sum(each.files_done for each in together if each.state is Phase.DONE) == 2 * len(names)
    assert sum(each.bytes_done for each in together if each.state is Phase.DONE) == 2 * 20_000 * len(names)
    assert (alone.together, steps[-1].files, steps[-1].files_done) == (1, 1, 1)


def test_a_pack_that_is_read_is_on_its_way_while_the_next_one_is(server, town):
    names = [f"many/{number}" for number in range(3 * PACK_FILES)]
    sent_before = []

    def files():
        for number, name in enumerate(names):
            if number == 2 * PACK_FILES - 1:
                conversation = server._endpoint()._conversation
                sent_before.append(conversation.connection.stats.datagrams_sent if conversation else 0)
            yield town.file(name, 10), name

    assert all(each.verified for each in server.put_many(files()))
    assert sent_before[0] > 0, "nothing was sent before two packs had been read"


def test_many_files_are_removed_each_with_its_own_outcome(server, town):
    names = [f"many/{number}" for number in range(40)]
    assert all(each.verified for each in server.put_many([(town.file(name, 10), name) for name in names]))
    removals = {each.name: each.error for each in server.remove_many([*names, "many", "none", "../evil"])}
    assert {name for name, error in removals.items() if error is None} == set(names)
    codes = {name: error.code for name, error in removals.items() if error is not None}
    assert codes == {"many": Code.IS_DIRECTORY, "none": Code.NOT_FOUND, "../evil": Code.NAME_REFUSED}
    assert [each.name for each in server.list("**")] == ["many"]


@pytest.mark.parametrize("others", [3, 300])
def test_one_file_that_is_wanted_in_several_places_lands_in_each(server, town, others):
    names = [f"many/{number}" for number in range(others)]
    assert all(each.verified for each in server.put_many([(town.file(name, 100), name) for name in names]))
    wanted = [(name, town.folder / "back" / name) for name in names]
    wanted += [("many/0", town.folder / "copies" / f"{number}") for number in range(2)]
    got = list(server.get_many(wanted))
    assert sorted(each.path for each in got) == sorted(path for _, path in wanted)
    for name, path in wanted:
        assert path.read_bytes() == (town.here / name).read_bytes()


def test_questions_are_answered(server):
    server.put(DATA, "folder/a")
    entry = server.stat("folder/a")
    assert (entry.kind, entry.bytes, entry.sha256) == (EntryKind.FILE, len(DATA), sha256(DATA).hexdigest())
    assert server.stat("folder").kind is EntryKind.FOLDER
    assert server.stat("folder").sha256 is None
    server.remove("folder/a")
    assert [each.name for each in server.list("**")] == ["folder"]
    with pytest.raises(RefusedError) as refused:
        server.remove("folder/a")
    assert refused.value.code == Code.NOT_FOUND


def test_a_ping_measures_round_trips(server):
    result = server.ping(3)
    assert (result.sent, result.received, result.loss) == (3, 3, 0.0)
    assert 0 < result.rtt_min_ms <= result.rtt_avg_ms <= result.rtt_max_ms


def test_pings_tell_after_each_what_they_came_to_so_far(server):
    results = list(server.pings(3))
    assert [(each.sent, each.received, each.loss) for each in results] == [(1, 1, 0), (2, 2, 0), (3, 3, 0)]
    first, *_, last = results
    assert first.rtt_min_ms == first.rtt_avg_ms == first.rtt_max_ms
    assert last.rtt_min_ms <= first.rtt_min_ms <= last.rtt_max_ms


def test_at_the_end_of_a_transfer_all_its_files_are_done_with_well_or_badly(town, url, tmp_path):
    told = []
    with mayhem_udp.connect(url, progress=told.append) as server:
        server.put(DATA, "alone")
        with pytest.raises(RefusedError):
            server.get("missing", tmp_path / "missing")
        missing = [(f"missing {number}", tmp_path / str(number)) for number in range(20)]
        assert len(list(server.get_many(missing))) == 20
    ends = [(each.files, each.files_done) for each in told if each.state is Phase.DONE]
    assert ends == [(1, 1), (1, 1), (20, 20)]
    assert {each.files_done for each in told if each.state is not Phase.DONE and each.files == 1} <= {0}


def test_a_client_shows_whose_it_is_and_whether_it_is_connected(url):
    client = mayhem_udp.connect(url)
    assert repr(client) == f"<Client of {url}, not connected>"
    client.ping(1)
    assert repr(client) == f"<Client of {url}, connected>"
    client.close()
    assert repr(client) == f"<Client of {url}, closed>"


def test_a_slash_at_the_end_of_a_pattern_lists_what_is_in_the_folder(server):
    for name in ("top", "d/one", "d/two", "d/deeper/three", "e/four"):
        server.put(b"x", name)

    def names(pattern):
        return sorted(each.name for each in server.list(pattern))

    assert names("d/") == names("d/*") == ["d/deeper", "d/one", "d/two"]
    assert names("*/") == ["d/deeper", "d/one", "d/two", "e/four"]
    assert names("missing/") == names("top/") == []
    for bad in ("/", "d//", "../"):
        with pytest.raises(RefusedError, match="the pattern is absolute"):
            server.list(bad)


def test_progress_is_told_up_to_the_end(url):
    told = []
    with mayhem_udp.connect(url, progress=told.append) as server:
        server.put(DATA, "a")
    assert told[-1].state is Phase.DONE
    assert told[-1].bytes_done == told[-1].bytes_total == len(DATA)


def test_settings_are_arguments_by_short_or_full_name(url):
    with mayhem_udp.connect(url, chunk_size=1_000, mayhem="drop=10%,seed=5", rate="500M") as server:
        assert server.put(DATA, "a").datagrams_sent > len(DATA) // 1_000
    with mayhem_udp.connect(url, transport__chunk_size=2_000) as server:
        assert server.put(DATA, "a").datagrams_sent < len(DATA) // 1_000


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (("http://host/",), UsageError, "mayhem://"),
        (("mayhem://host/name",), UsageError, "names a file"),
    ],
)
def test_a_url_that_is_no_server_is_a_usage_error(arguments, kind, said):
    with pytest.raises(kind, match=said):
        mayhem_udp.connect(*arguments)


def test_a_setting_that_does_not_exist_is_named_with_the_nearest_right_one():
    with pytest.raises(ConfigError, match="chunk_size"):
        mayhem_udp.connect("mayhem://host/", chunk_sise=1_000)


def test_nobody_there_is_unreachable_and_says_what_to_do():
    with (
        mayhem_udp.connect("mayhem://127.0.0.1:9/", timeout="2s") as server,
        pytest.raises(UnreachableError) as caught,
    ):
        server.ping()
    assert caught.value.remedy


def test_a_client_that_is_closed_does_nothing_more(url):
    client = mayhem_udp.connect(url)
    client.close()
    with pytest.raises(UsageError, match="closed"):
        client.ping()


def test_a_result_is_frozen(server):
    result = server.put(b"", "empty")
    assert result.bytes == 0
    with pytest.raises(FrozenInstanceError):
        result.bytes = 1


def test_what_is_raised_is_one_tree(server):
    with pytest.raises(MayhemError) as caught:
        server.get("missing", io.BytesIO())
    assert isinstance(caught.value, RefusedError)


def test_what_an_old_download_has_left_is_swept_with_the_next_one(server, town):
    server.put(DATA, "a")
    folder = town.folder / "downloads"
    server.get("a", folder / "a")
    leftover = folder / f".mayhem-{'0' * 32}.part"
    leftover.write_bytes(b"half a file")
    os.utime(leftover, (0, 0))
    server.get("a", folder / "b")
    assert sorted(os.listdir(folder)) == ["a", "b"]
