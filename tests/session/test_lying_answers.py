"""Servers whose answer says one thing and means another, or has no end; and clients whose result does."""

from hashlib import sha256

import pytest
from virtual_pair import some_bytes

from mayhem_udp.errors import Code, IntegrityError, RefusedError, TransferError
from mayhem_udp.session.asking import LISTING_ENTRY_BYTES, Question
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import PutPackSender
from mayhem_udp.wire.messages import (
    NO_DIGEST,
    NO_FINGERPRINT,
    Accept,
    Echo,
    EntryMessage,
    Get,
    GetPack,
    List,
    PackResult,
    PingRequest,
    Remove,
    Result,
    Stat,
    Trailer,
)

DATA = some_bytes(1_000)
DIGEST = sha256(DATA).digest()
QUESTIONS = [Remove(b"a"), PingRequest(1), Stat(1, b"a"), List(0, b"*")]


def failed(code, digest=NO_DIGEST, text=b"not today"):
    return Result(code, len(DATA), digest, text)


def answered(pair, exchange, bare, *messages):
    """What becomes of a client's request when a server says these."""
    pair.run_until(lambda: bool(bare.heard(exchange.request)))
    bare.say(exchange.request, *messages)
    pair.finish(exchange)
    pair.run(seconds=1)
    return exchange


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.PERMISSION, RefusedError),
        (Code.IO_ERROR, TransferError),
        (Code.INTEGRITY, IntegrityError),
        (999, RefusedError),
    ],
)
def test_a_result_with_another_code_than_0_is_no_success(sessions, question, code, kind):
    bare = sessions.use_bare_server()
    done = answered(sessions, sessions.client.ask(question), bare, failed(code))
    assert isinstance(done.error, kind)
    assert "not today" in done.error.message
    assert done.result is None
    assert bare.closed_code is None, "it costs the request alone"


def test_an_upload_whose_result_has_another_code_has_failed_with_that_one(sessions):
    bare = sessions.use_bare_server()
    upload = sessions.client.put("a", DATA)
    sessions.run_until(lambda: len(bare.heard(upload.request)) == 2)
    assert answered(sessions, upload, bare, failed(Code.NO_SPACE, DIGEST)).error.code is Code.NO_SPACE
    assert upload.sha256 is None


@pytest.mark.parametrize("known", [(), (PackResult(0, (0,)),)])
def test_a_pack_whose_result_has_another_code_has_failed_with_that_one(sessions, known):
    bare = sessions.use_bare_server()
    files = iter([SmallFile(b"a", DATA, 0, 0o644, Code.OK, DIGEST)])
    pack = sessions.client.start(
        lambda *where: PutPackSender(*where, files=files, count=1, on_codes=lambda first, codes: None)
    )
    done = answered(sessions, pack, bare, *known, failed(Code.NO_SPACE))
    assert done.error.code is Code.NO_SPACE
    assert bare.closed_code is None


@pytest.mark.parametrize("ask", [lambda client: client.get("a"), lambda client: client.echo("a", DATA)])
def test_a_server_has_no_result_to_say_of_what_it_sends(sessions, ask):
    bare = sessions.use_bare_server()
    exchange = answered(sessions, ask(sessions.client), bare, failed(Code.NO_SPACE, DIGEST))
    assert exchange.error is not None
    assert exchange.sha256 is None
    assert bare.closed_code == Code.STATE_ILLEGAL


@pytest.mark.parametrize(
    ("ask", "size"),
    [
        (Get(NO_FINGERPRINT, (), b"a"), len(DATA)),
        (GetPack((b"a",)), 0),
        (Echo(len(DATA), b"a"), len(DATA)),
    ],
)
def test_a_client_that_says_that_it_failed_is_not_counted_as_served(sessions, ask, size):
    (sessions.root / "a").write_bytes(DATA)
    bare = sessions.use_bare_client()
    request = bare.open_request(ask)
    if isinstance(ask, Echo):
        bare.send(request, 0, DATA)
        bare.say(request, Trailer(len(DATA), DIGEST))
    (session,) = sessions.server.sessions.values()
    sessions.run_until(lambda: bool(session.exchanges))
    (exchange,) = session.exchanges.values()
    sessions.run(seconds=1)
    bare.say(request, Result(Code.NO_SPACE, size, DIGEST if size else NO_DIGEST, b"my disk is full"))
    sessions.finish(exchange)
    assert exchange.error.code is Code.NO_SPACE
    assert bare.closed_code is None


# --- Answers without an end ---------------------------------------------------------------------------


def entries(count, name=b"x" * 4_000):
    return [EntryMessage(1, 1, 1, 1, NO_DIGEST, name)] * count


@pytest.mark.parametrize(
    ("question", "count"), [(Remove(b"a"), 1), (PingRequest(1), 1), (Stat(0, b"a"), 2), (Stat(1, b"a"), 60)]
)
def test_entries_where_none_belong_cost_the_connection_and_are_not_kept(sessions, question, count):
    bare = sessions.use_bare_server()
    done = answered(sessions, sessions.client.ask(question), bare, *entries(count))
    assert done.error.code is Code.STATE_ILLEGAL
    assert bare.closed_code == Code.STATE_ILLEGAL
    assert len(done.entries) <= isinstance(question, Stat)


def test_an_upload_is_accepted_once(sessions):
    bare = sessions.use_bare_server()
    upload = sessions.client.put("a", DATA)
    accepts = [Accept(len(DATA), 0, 0o644, NO_FINGERPRINT, have) for have in (((0, 1),), ((2, 3),))]
    assert answered(sessions, upload, bare, *accepts).error.code is Code.STATE_ILLEGAL
    assert bare.closed_code == Code.STATE_ILLEGAL


def test_more_outcomes_than_files_cost_the_connection_and_are_not_kept(sessions):
    codes = []
    bare = sessions.use_bare_server()
    files = iter([SmallFile(b"a", DATA, 0, 0o644, Code.OK, DIGEST)] * 2)
    pack = sessions.client.start(
        lambda *where: PutPackSender(
            *where, files=files, count=2, on_codes=lambda _, more: codes.extend(more)
        )
    )
    done = answered(sessions, pack, bare, PackResult(0, (0,)), PackResult(1, (0, 0)))
    assert done.error.code is Code.STATE_ILLEGAL
    assert bare.closed_code == Code.STATE_ILLEGAL
    assert codes == [0]


@pytest.mark.parametrize("name", [b"", b"x", b"x" * 4_000])
def test_a_listing_without_end_is_given_up_and_costs_its_request_alone(sessions, name):
    fits = 20
    room = fits * (LISTING_ENTRY_BYTES + len(name))
    bare = sessions.use_bare_server()

    def ask():
        question = List(0, b"*")
        return sessions.client.start(
            lambda *where: Question(*where, question=question, listing_max_bytes=room)
        )

    done = answered(sessions, ask(), bare, *entries(fits, name), Result(Code.OK, 0, NO_DIGEST, b""))
    assert (done.error, len(done.entries)) == (None, fits)
    endless = answered(sessions, ask(), bare, *entries(fits + 1, name))
    assert isinstance(endless.error, RefusedError)
    assert endless.error.code is Code.LIMIT_EXCEEDED
    assert endless.entries == []
    assert bare.heard_code(endless.request) == Code.LIMIT_EXCEEDED
    assert bare.closed_code is None
