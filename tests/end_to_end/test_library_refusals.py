"""What the library does with what cannot be sent, asked for or gone on with: it says so, and goes on."""

import io
import os
import socket

import pytest

import mayhem_udp
from mayhem_udp.errors import Code, LocalFileError, MayhemError, RefusedError, UnreachableError, UsageError
from mayhem_udp.results import TransferFailure

NOT_UTF8 = os.fsdecode(b"bad\xff")
TOO_LONG = "a" * 70_000


@pytest.fixture
def server(town):
    with mayhem_udp.connect(town.daemon().url, cache_dir=str(town.folder / "tokens")) as client:
        yield client


# --- Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [(NOT_UTF8, Code.NAME_REFUSED), ("a" * 40_000, Code.NAME_TOO_LONG), (TOO_LONG, Code.NAME_TOO_LONG)],
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda server, name, _: server.put(b"contents", name),
        lambda server, name, _: server.echo(b"contents", name),
        lambda server, name, _: server.get(name, io.BytesIO()),
        lambda server, name, folder: server.get(name, folder / "new" / "file"),
        lambda server, name, _: server.list(name),
        lambda server, name, _: server.stat(name),
        lambda server, name, _: server.remove(name),
    ],
)
def test_a_name_that_cannot_be_asked_for_is_refused_in_a_sentence(server, town, ask, name, code):
    with pytest.raises(RefusedError, match=r"UTF-8|longer than 4096 bytes") as refused:
        ask(server, name, town.folder)
    assert refused.value.code is code
    assert refused.value.remedy
    assert server.put(b"contents", "good").verified
    assert not (town.folder / "new").exists()


def only_failure(outcomes, count):
    failures = [each for each in outcomes if isinstance(each, TransferFailure)]
    assert len(outcomes) == count
    (failure,) = failures
    return failure


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_file_whose_name_is_not_utf8_fails_alone_among_many(server, town, size):
    files = [(town.file(f"many/{number}", 100), f"many/{number}") for number in range(20)]
    bad = town.here / NOT_UTF8
    bad.write_bytes(bytes(size))
    files.insert(7, (bad, NOT_UTF8))
    failure = only_failure(list(server.put_many(files)), len(files))
    assert (failure.name, failure.error.code) == (NOT_UTF8, Code.NAME_REFUSED)
    assert "UTF-8" in failure.error.message
    assert len(server.list("many/*")) == 20


@pytest.mark.parametrize("others", [3, 20])
def test_a_name_or_a_place_that_is_not_utf8_fails_alone_among_many_downloads(server, town, others):
    names = [f"many/{number}" for number in range(others)]
    list(server.put_many([(town.file(name, 100), name) for name in names]))
    wanted = [(name, town.folder / name) for name in names]
    asked = only_failure(list(server.get_many([*wanted, (NOT_UTF8, town.folder / "b")])), others + 1)
    assert (asked.name, asked.error.code) == (NOT_UTF8, Code.NAME_REFUSED)
    placed = only_failure(list(server.get_many([*wanted, (names[0], town.folder / NOT_UTF8)])), others + 1)
    assert placed.error.code is Code.NAME_REFUSED
    assert all(path.exists() for _, path in wanted)


def test_a_folder_with_a_name_that_is_not_utf8_goes_but_for_that_file(town):
    for name in ("a.txt", "z.txt"):
        town.file(f"folder/{name}", 5)
    (town.here / "folder" / NOT_UTF8).write_bytes(b"contents")
    daemon = town.daemon()
    for arguments in (("put", "-r"), ("put", "-r", "--json")):
        ended = town.mayhem(*arguments, "folder", daemon.url)
        assert ended.code == 5, ended.err
        assert "folder/bad\\udcff' is not UTF-8" in ended.err
        assert sorted(each for each in daemon.stored() if each.endswith("txt")) == [
            "folder/a.txt",
            "folder/z.txt",
        ]


@pytest.mark.parametrize("count", [1, 20])
def test_what_the_server_refuses_it_refuses_with_a_remedy(server, town, count):
    names = [f"missing {number}" for number in range(count)]
    failures = list(server.get_many([(name, town.folder / name) for name in names]))
    assert {each.error.message for each in failures} == {f"there is no {name}" for name in names}
    assert {each.error.remedy for each in failures} == {"see what there is with mayhem ls"}
    for ask in (server.stat, server.remove, server.list, lambda name: server.put(b"x", name)):
        with pytest.raises(RefusedError) as refused:
            ask("../up")
        assert refused.value.remedy
        assert str(refused.value) == f"{refused.value.message}; {refused.value.remedy}"


# --- Streams and what is none -------------------------------------------------------------------------


class Raw(io.RawIOBase):
    """A stream that gives these, one at a time: bytes, or None where it would have to wait."""

    def __init__(self, *blocks):
        self._blocks = list(blocks)

    def readable(self):
        return True

    def readinto(self, buffer):
        block = self._blocks.pop(0) if self._blocks else b""
        if block is None:
            return None
        buffer[: len(block)] = block
        return len(block)


def closed(stream):
    stream.close()
    return stream


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (io.StringIO("text"), "binary mode"),
        (io.TextIOWrapper(io.BytesIO(b"text")), "binary mode"),
        (Raw(b"begun", None, b"on"), "one that blocks"),
        (io.BufferedReader(Raw(b"begun", None, None, b"on")), "one that blocks"),
        (closed(io.BytesIO(b"bytes")), "open for reading"),
        (io.BufferedWriter(io.BytesIO()), "open for reading"),
        (object(), "a binary file object"),
        (12, "a binary file object"),
    ],
)
def test_a_source_that_gives_no_bytes_is_refused_and_says_what_would_do(server, source, said):
    for send in (server.put, server.echo):
        with pytest.raises(MayhemError) as refused:
            send(source, "name")
        assert said in str(refused.value)
        if isinstance(source, Raw | io.BufferedReader):
            break  # it has given its bytes, and has nothing more to wait for
    assert server.put(io.BufferedReader(Raw(b"one", b"two")), "good").bytes == len(b"onetwo")
    assert [each.name for each in server.list("**")] == ["good"]


def test_a_pipe_that_does_not_wait_is_no_short_file(server):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"begun")
    does_not_wait = pytest.raises(LocalFileError, match="does not wait")
    with open(reading, "rb") as stream, open(writing, "wb"), does_not_wait:
        server.put(stream, "name")
    assert server.list() == []


def test_text_is_no_place_to_download_to(server):
    server.put(b"contents", "name")
    with pytest.raises(LocalFileError, match="binary mode"):
        server.get("name", io.StringIO())
    assert server.ping(1).received == 1


# --- After the end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [0, 1])
def test_outcomes_that_are_asked_for_after_the_end_are_a_usage_error(town, server, asked):
    outcomes = server.put_many(
        [
            (town.here / "missing", "missing"),
            (town.file("large", 30_000_000), "large"),
            (town.here / "no", "no"),
        ]
    )
    for _ in range(asked):
        next(outcomes)
    server.close()
    with pytest.raises(UsageError, match="closed"):
        list(outcomes)
    server.close()


# --- Words --------------------------------------------------------------------------------------------


def test_what_the_library_says_is_for_who_writes_a_program(server, town):
    with pytest.raises(UsageError) as no_host:
        mayhem_udp.connect("mayhem:///")
    with pytest.raises(UsageError, match=r"give one: echo\(data, 'name'\)"):
        server.echo(b"some bytes")
    with pytest.raises(UsageError, match=r"give one: put\(data, 'name'\)"):
        server.put(b"some bytes")
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with silent:
        silent.bind(("127.0.0.1", 0))
        place = f"mayhem://127.0.0.1:{silent.getsockname()[1]}/"
        with mayhem_udp.connect(place, timeout="100ms") as nobody, pytest.raises(UnreachableError) as unheard:
            nobody.ping()
    assert "a longer timeout waits for it" in unheard.value.remedy
    for said in (no_host, unheard):
        assert "MAYHEM_URL" not in str(said.value)
        assert "--" not in str(said.value)
