"""Arguments that make no sense: a usage error in a sentence, before anything is done."""

import io
from pathlib import Path

import pytest

import mayhem_udp
from mayhem_udp.errors import ConfigError, UsageError

PLACE = "mayhem://localhost/"


class BytesPath:
    """A path as only the system's own calls take it."""

    def __fspath__(self):
        return b"/tmp/name"


@pytest.fixture
def nobody():
    """A client of a server that nobody asks for anything."""
    with mayhem_udp.connect("mayhem://127.0.0.1:1/") as client:
        yield client
        assert client._opened is None or client._opened._conversation is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda it: it.get(5), "int cannot be a name on the server; give a str, such as 'folder/file'"),
        (lambda it: it.get("name", b"path"), "bytes cannot be a destination; give a path"),
        (lambda it: it.get("name", 5), "int cannot be a destination; give a path"),
        (lambda it: it.get("name", BytesPath()), "BytesPath cannot be a path; give a str or a pathlib.Path"),
        (lambda it: it.get("name", "a\0b"), r"the path a\\x00b has a NUL character"),
        (lambda it: it.put("a\0b", "name"), r"the path a\\x00b has a NUL character"),
        (lambda it: it.put(Path("a\0b"), "name"), r"the path a\\x00b has a NUL character"),
        (lambda it: it.put(BytesPath()), "BytesPath cannot be a path"),
        (lambda it: it.put(b"data", 5), "int cannot be a name on the server"),
        (lambda it: it.put(b"data", b"name"), "bytes cannot be a name on the server"),
        (lambda it: it.echo("a\0b"), "has a NUL character"),
        (lambda it: it.echo(__file__, out_dir=5), "int cannot be a path"),
        (lambda it: it.echo(__file__, 5), "int cannot be a name on the server"),
        (lambda it: it.put_many(5), "int cannot be several pairs of a path and a name; give a list"),
        (lambda it: it.put_many("ab"), "str cannot be several pairs"),
        (lambda it: it.put_many([5]), "int cannot be a pair of a path and a name; give tuples"),
        (lambda it: it.put_many(["ab"]), "str cannot be a pair"),
        (lambda it: it.put_many([("a", "b", "c")]), "tuple cannot be a pair"),
        (lambda it: it.put_many([(b"path", "name")]), "bytes cannot be a path"),
        (lambda it: it.put_many([("a\0b", "name")]), "has a NUL character"),
        (lambda it: it.put_many([(__file__, 5)]), "int cannot be a name on the server"),
        (lambda it: it.get_many([(5, "path")]), "int cannot be a name on the server"),
        (lambda it: it.get_many([("name", io.BytesIO())]), "BytesIO cannot be a path"),
        (lambda it: it.get_many([("name", "a\0b")]), "has a NUL character"),
        (lambda it: it.list(5), "int cannot be a name on the server"),
        (lambda it: it.stat(None), "NoneType cannot be a name on the server"),
        (lambda it: it.remove(5), "int cannot be a name on the server"),
        (lambda it: it.remove_many([5]), "int cannot be a name on the server"),
        (lambda it: it.remove_many("name"), "str cannot be several names; give a list of names"),
        (lambda it: it.remove_many(b"name"), "bytes cannot be several names"),
        (lambda it: it.ping(0), "0 pings measure nothing; give a count from 1 upward"),
        (lambda it: it.ping(-1), "-1 pings measure nothing"),
        (lambda it: it.ping("4"), "str cannot be a count; give a whole number from 1 upward"),
        (lambda it: it.ping(1.5), "float cannot be a count"),
        (lambda it: it.ping(True), "bool cannot be a count"),
    ],
)
def test_an_argument_that_makes_no_sense_is_a_usage_error_before_anybody_is_asked(nobody, call, said):
    with pytest.raises(UsageError, match=said) as refused:
        call(nobody)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": None}, "NoneType cannot be a URL; give a str, such as 'mayhem://localhost/'"),
        ({"url": b"mayhem://localhost/"}, "bytes cannot be a URL"),
        ({"timeout": None}, "timeout is None, which is no value; leave it out to have the default"),
        ({"progress": "x"}, "str cannot be a progress callback; give a function"),
        ({"log": "x"}, "str cannot be a log; give a structlog logger"),
        ({"settings": {}}, "dict cannot be the settings; give a mayhem_udp.Settings"),
    ],
)
def test_what_a_connection_cannot_be_made_with_is_a_usage_error(given, said):
    with pytest.raises(UsageError, match=said):
        mayhem_udp.connect(**{"url": PLACE, **given})


def test_a_whole_number_may_be_written_as_a_float():
    client = mayhem_udp.connect(PLACE, rate=20e6, chunk_size=1024.0)
    assert client._settings.congestion.rate_cap_bps == 20_000_000
    assert client._settings.transport.chunk_size_bytes == 1_024
    for rate in (20.5, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="must be a whole number"):
            mayhem_udp.connect(PLACE, rate=rate)


def test_two_files_that_would_become_one_are_refused_before_anything_is_sent(nobody):
    twins = [("a/one", "same"), ("b", "other"), (Path("b/two"), "same")]
    with pytest.raises(
        UsageError, match="a/one and b/two would both become same; give each a name of its own"
    ):
        nobody.put_many(twins)
    places = [("one", "here"), ("two", "there"), ("three", "./here")]
    with pytest.raises(UsageError, match="one and three would both become here; give each a path of its own"):
        nobody.get_many(places)


def test_what_an_iterator_gives_is_looked_at_as_it_comes(nobody):
    with pytest.raises(UsageError, match="int cannot be a pair"):
        next(nobody.put_many(iter([5])))
    with pytest.raises(UsageError, match="int cannot be a name"):
        next(nobody.get_many(iter([(5, "path")])))
    with pytest.raises(UsageError, match="int cannot be a name"):
        next(nobody.remove_many(iter([5])))
