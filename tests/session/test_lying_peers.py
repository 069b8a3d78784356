"""Peers that announce one thing and do another, or say the right thing at the wrong time."""

from hashlib import sha256

import pytest
from virtual_pair import some_bytes

from mayhem_udp.errors import Code, IntegrityError
from mayhem_udp.wire.messages import (
    NO_DIGEST,
    NO_FINGERPRINT,
    SIZE_UNKNOWN,
    Accept,
    Digests,
    Echo,
    EntryMessage,
    Get,
    List,
    PackResult,
    PingRequest,
    Put,
    Repair,
    Repaired,
    Result,
    Trailer,
)

FINGERPRINT = b"sixteen bytes..."
DATA = some_bytes(1_000)
DIGEST = sha256(DATA).digest()


def upload(size=1_000, name=b"a"):
    return Put(size, 0, 0o644, FINGERPRINT, name)


# --- Clients ------------------------------------------------------------------------------------------


def test_more_bytes_than_were_announced_cost_the_connection(sessions):
    bare = sessions.use_bare_client()
    request = bare.open_request(upload())
    bare.send(request, 0, DATA + b"!")
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH
    assert sessions.served("a") is None
    assert sessions.stagings() == []


@pytest.mark.parametrize("size", [0, 999, 1_001, SIZE_UNKNOWN])
def test_a_trailer_of_another_size_costs_the_connection(sessions, size):
    bare = sessions.use_bare_client()
    request = bare.open_request(upload())
    bare.send(request, 0, DATA)
    bare.say(request, Trailer(size, DIGEST))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH
    assert sessions.served("a") is None


def test_a_stream_that_ends_before_its_last_byte_is_not_put_in_place(sessions):
    bare = sessions.use_bare_client()
    request = bare.open_request(upload(SIZE_UNKNOWN))
    bare.send(request, 0, DATA)
    sessions.run(seconds=1)
    bare.say(request, Trailer(500, sha256(DATA[:500]).digest()))
    sessions.run(seconds=1)
    assert bare.heard_code(request) == Code.SIZE_MISMATCH
    assert sessions.served("a") is None


def test_a_second_trailer_costs_the_connection(sessions):
    bare = sessions.use_bare_client()
    request = bare.open_request(upload())
    bare.say(request, Trailer(1_000, DIGEST), Trailer(1_000, DIGEST))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH


@pytest.mark.parametrize(
    "message",
    [
        Accept(1, 0, 0, FINGERPRINT, ()),
        Result(Code.OK, 0, NO_DIGEST, b""),
        Digests(0, (FINGERPRINT,)),
        EntryMessage(1, 0, 0, 0, NO_DIGEST, b"x"),
        PackResult(0, (0,)),
        upload(),
        Get(NO_FINGERPRINT, (), b"a"),
        PingRequest(1),
    ],
)
@pytest.mark.parametrize("first", [upload(), Echo(1_000, b"a")])
def test_what_only_others_say_costs_the_connection(sessions, first, message):
    bare = sessions.use_bare_client()
    bare.open_request(first, message)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL
    assert sessions.server.transfers == 0
    assert sessions.stagings() == []


def test_a_body_where_none_belongs_costs_the_connection(sessions):
    (sessions.root / "a").write_bytes(bytes(3_000_000))
    bare = sessions.use_bare_client()
    bare.diary.gives_credit = False
    request = bare.open_request(Get(NO_FINGERPRINT, (), b"a"))
    bare.send(request, 0, DATA)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL
    assert sessions.server.store.quota.open_files == 0


def test_a_body_that_comes_after_the_answer_is_passed_over(sessions):
    bare = sessions.use_bare_client()
    request = bare.open_request(PingRequest(1))
    bare.send(request, 0, DATA)
    sessions.run(seconds=1)
    assert isinstance(bare.heard(request)[-1], Result)
    assert bare.closed_code is None


@pytest.mark.parametrize("have", [((0, 2_000),), ((5, 5),), ((7, 3),), ((1 << 63, (1 << 63) + 1),)])
def test_a_client_that_claims_bytes_the_file_does_not_have_loses_the_connection(sessions, have):
    (sessions.root / "a").write_bytes(DATA)
    sessions.client.get("a")
    fingerprint = []
    sessions.run_until(
        lambda: bool(fingerprint) or (sessions.server.transfers == 0 and sessions.fetched("a"))
    )
    bare = sessions.use_bare_client()
    first = bare.open_request(Get(NO_FINGERPRINT, (), b"a"))
    sessions.run(seconds=0.2)
    known = bare.heard(first)[0].fingerprint
    bare.open_request(Get(known, have, b"a"))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH


def test_an_end_that_cannot_be_is_not_believed(sessions):
    (sessions.root / "a").write_bytes(DATA)
    bare = sessions.use_bare_client()
    request = bare.open_request(Get(NO_FINGERPRINT, (), b"a"))
    sessions.run(seconds=0.2)
    bare.say(request, Result(Code.OK, 1_000, NO_DIGEST, b""))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL


# --- Servers ------------------------------------------------------------------------------------------


def bare_download(pair, *messages, name="a"):
    bare = pair.use_bare_server()
    exchange = pair.client.get(name)
    pair.run_until(lambda: bool(bare.heard(exchange.request)))
    bare.say(exchange.request, *messages)
    return bare, exchange


def accept(size=1_000, have=()):
    return Accept(size, 0, 0o644, FINGERPRINT, have)


def test_a_server_that_sends_more_than_it_announced_is_left(sessions):
    bare, exchange = bare_download(sessions, accept())
    bare.send(exchange.request, 0, DATA + b"more")
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH
    assert sessions.fetched("a") is None


def test_a_server_that_never_gives_the_bytes_of_its_digest_is_an_integrity_error(sessions):
    bare, exchange = bare_download(sessions, accept(), Trailer(1_000, NO_DIGEST))
    bare.send(exchange.request, 0, DATA)
    for _ in range(4):
        sessions.run(seconds=0.2)
        bare.say(exchange.request, Repair(0, DATA), Repaired(1))
    sessions.run(seconds=1)
    assert isinstance(exchange.error, IntegrityError)
    assert exchange.error.exit_code == 4
    assert sessions.fetched("a") is None
    (aside,) = sessions.stagings()
    assert aside.endswith(".damaged")


def test_a_server_cannot_skip_what_the_client_does_not_have(sessions):
    bare, exchange = bare_download(sessions, accept(have=((0, 500),)))
    bare.send(exchange.request, 500, DATA[500:])
    bare.say(exchange.request, Trailer(1_000, DIGEST))
    sessions.run(seconds=2)
    assert exchange.sha256 is None
    assert sessions.fetched("a") is None


@pytest.mark.parametrize(
    "messages",
    [
        [accept(), accept()],
        [Trailer(1_000, DIGEST)],
        [Repair(0, b"x")],
        [accept(), Repaired(0)],
        [accept(), Repair(0, b"x")],
        [accept(), Trailer(999, DIGEST)],
        [accept(), Trailer(1_000, DIGEST), Trailer(1_000, DIGEST)],
        [accept(), Digests(0, (FINGERPRINT,))],
        [Result(Code.OK, 1_000, DIGEST, b"")],
        [EntryMessage(1, 0, 0, 0, NO_DIGEST, b"x")],
        [PingRequest(1)],
    ],
)
def test_a_server_that_says_the_wrong_thing_is_left(sessions, messages):
    bare, exchange = bare_download(sessions, *messages)
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code in {Code.STATE_ILLEGAL, Code.SIZE_MISMATCH}
    assert sessions.fetched("a") is None


def test_a_server_that_says_done_before_it_can_be_is_an_integrity_error(sessions):
    bare = sessions.use_bare_server()
    exchange = sessions.client.put("a", DATA)
    sessions.run_until(lambda: len(bare.heard(exchange.request)) == 2)
    bare.say(exchange.request, Result(Code.OK, 1_000, NO_DIGEST, b""))
    sessions.finish(exchange)
    assert isinstance(exchange.error, IntegrityError)


@pytest.mark.parametrize("have", [((0, 2_000),), ((5, 5),), ((7, 3),)])
def test_a_server_that_claims_bytes_the_source_does_not_have_is_left(sessions, have):
    bare = sessions.use_bare_server()
    exchange = sessions.client.put("a", DATA)
    sessions.run_until(lambda: len(bare.heard(exchange.request)) == 2)
    bare.say(exchange.request, accept(have=have))
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", ".bashrc", "/etc/passwd", "\x1b]0;evil\x07"])
def test_a_name_that_a_server_lists_is_only_text(sessions, name):
    """Where a file lands is decided by the client's own side; a listing is shown, and escaped there."""
    bare = sessions.use_bare_server()
    exchange = sessions.client.ask(List(0, b"*"))
    sessions.run_until(lambda: bool(bare.heard(exchange.request)))
    entry = EntryMessage(1, 5, 0, 0o644, NO_DIGEST, name.encode())
    bare.say(exchange.request, entry, Result(Code.OK, 0, NO_DIGEST, b""))
    sessions.finish(exchange)
    assert exchange.entries == [entry]
    assert list(sessions.folder.iterdir()) == []
