"""Requests that the caller gives up, or breaks with an exception of his own: the server hears of it, and
everything else goes on over the same connection."""

import io

import pytest
from host import Host, settings_with

import mayhem_udp
from mayhem_udp.endpoint.client import ClientEndpoint
from mayhem_udp.endpoint.errand import Errand
from mayhem_udp.endpoint.visits import Visits
from mayhem_udp.endpoint.watcher import Silence
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.url import HostPort

LARGE = bytes(range(256)) * 8_192


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path / "root")
    yield host
    host.close()


class Broken(Exception):
    """The caller's own."""


class Caller:
    """Does what a caller does; raises `Broken` while it is to."""

    def __init__(self):
        self.is_broken = True

    def __call__(self, *_arguments):
        if self.is_broken:
            raise Broken

    def write(self, data):
        self()
        return len(data)

    def read(self, _size):
        self()
        return b""

    def flush(self):
        self()


@pytest.fixture
def caller():
    return Caller()


@pytest.fixture
def client(host, tmp_path, caller):
    with mayhem_udp.connect(host.url, client__cache_dir=str(tmp_path / "cache"), progress=caller) as client:
        caller.is_broken = False
        client.put(LARGE, "large")
        caller.is_broken = True
        yield client


def assert_all_goes_on(host, client):
    assert client.ping(1).received == 1
    assert host.ask(lambda: host.server.transfers) == 0
    assert client.put(b"contents", "small").verified
    assert host.watcher.ends == [], "it is the same connection"


@pytest.mark.parametrize(
    "request_of",
    [
        lambda client, _: client.put(LARGE, "new"),
        lambda client, _: client.get("large", io.BytesIO()),
        lambda client, _: client.echo(LARGE, "new"),
        lambda client, folder: list(
            client.get_many([("large", folder / f"{number}") for number in range(9)])
        ),
    ],
)
def test_a_progress_callback_that_raises_ends_its_request_alone(host, client, caller, tmp_path, request_of):
    for _ in range(3):
        with pytest.raises(Broken):
            request_of(client, tmp_path / "fetched")
    caller.is_broken = False
    assert_all_goes_on(host, client)


@pytest.mark.parametrize(
    "request_of",
    [lambda client, stream: client.put(stream, "new"), lambda client, stream: client.get("large", stream)],
)
def test_a_stream_that_raises_ends_its_request_alone(host, tmp_path, caller, request_of):
    with mayhem_udp.connect(host.url, client__cache_dir=str(tmp_path / "cache")) as client:
        client.put(LARGE, "large")
        with pytest.raises(Broken):
            request_of(client, caller)
        assert_all_goes_on(host, client)


def test_what_cannot_even_begin_leaves_no_request_open(host, tmp_path):
    endpoint = ClientEndpoint(
        HostPort("127.0.0.1", host.port),
        settings_with(),
        visits=Visits(tmp_path / "cache"),
        faults=parse_spec("none"),
        watcher=Silence(),
    )
    begun = []

    def breaks(connection, *_more):
        begun.append(connection)
        raise Broken

    with pytest.raises(Broken):
        list(endpoint.run([Errand("broken", breaks, may_repeat=True)], at_once=1))
    assert not begun[0].has_unsettled
    endpoint.close()


def test_an_iterator_that_nobody_asks_any_more_ends_its_transfers_at_the_server(
    host, client, caller, tmp_path
):
    caller.is_broken = False
    path = tmp_path / "source"
    path.write_bytes(LARGE * 4)
    for number in range(10):
        outcomes = client.put_many(
            [(path, f"{number} a"), (tmp_path / "missing", "b"), (path, f"{number} c")]
        )
        next(outcomes)
        outcomes.close()
    assert_all_goes_on(host, client)
