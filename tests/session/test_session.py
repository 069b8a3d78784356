"""The session's table: which exchange an event belongs to, whatever order events come in."""

import pytest
from virtual_pair import some_bytes
from virtual_sessions import SessionPair

from mayhem_udp.errors import Code, PeerError, RefusedError
from mayhem_udp.limits import EARLY_BODY_BYTES
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.session.session import EARLY_BYTES_MAX
from mayhem_udp.wire.messages import Get, PingRequest, Put, Remove, Result, Stat

FINGERPRINT = b"sixteen bytes..."


def upload(name, size):
    return Put(size, 0, 0o644, FINGERPRINT, name)


@pytest.mark.parametrize("seed", range(20))
def test_bodies_that_overtake_their_requests_are_not_lost(tmp_path, seed):
    """The request's first message is often lost here, and what it announces comes before it."""
    pair = SessionPair(tmp_path, "delay=10ms,out.drop=0.5", seed=seed)
    data = some_bytes(20_000)
    assert pair.finish(pair.client.put("a", data)).error is None
    assert pair.served("a") == data


def test_a_body_without_a_request_waits_for_it(sessions):
    bare = sessions.use_bare_client()
    request = bare.open_request()
    bare.send(request, 0, b"early")
    sessions.run(seconds=1)
    bare.say(request, upload(b"a", 10))
    bare.send(request, 5, b"later")
    sessions.run(seconds=1)
    assert sessions.server.transfers == 1


def test_bodies_without_requests_cost_a_connection_once_they_are_too_many(tmp_path):
    pair = SessionPair(tmp_path, server={"requests_max": 512})
    bare = pair.use_bare_client()
    for _ in range(EARLY_BYTES_MAX // EARLY_BODY_BYTES + 1):
        bare.send(bare.open_request(), 0, bytes(EARLY_BODY_BYTES))
    pair.run(seconds=20)
    assert bare.closed_code == Code.LIMIT_EXCEEDED
    assert pair.server.sessions == {}


def test_what_waits_for_a_request_is_dropped_with_it(sessions):
    bare = sessions.use_bare_client()
    rounds = 2 * EARLY_BYTES_MAX // EARLY_BODY_BYTES
    for number in range(rounds):
        request = bare.open_request()
        bare.send(request, 0, bytes(EARLY_BODY_BYTES))
        sessions.run(seconds=0.05)
        bare.diary.connection.reset_request(request, Code.CANCELLED, f"number {number}")
        sessions.run(seconds=0.05)
    assert bare.closed_code is None


def test_a_request_that_was_answered_is_not_begun_again(sessions):
    """The answer is never acknowledged, so that the request stays known to the server's engine."""
    bare = sessions.use_bare_client()
    request = bare.open_request(PingRequest(1), upload(b"a", 1_000_000))
    sessions.run(seconds=1)
    assert [type(each) for each in bare.heard(request)] == [Result]
    assert sessions.server.transfers == 0
    assert sessions.stagings() == []


def test_a_request_begins_with_what_is_asked_for(sessions):
    bare = sessions.use_bare_client()
    bare.open_request(Result(Code.OK, 0, bytes(32), b""))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\x02", b"\x07" + bytes(9), bytes(100)])
def test_a_message_that_is_none_costs_the_connection(sessions, payload):
    bare = sessions.use_bare_client()
    request = bare.open_request()
    bare.diary.connection.send_message(request, payload)
    sessions.run(seconds=1)
    assert bare.closed_code in {Code.MESSAGE_MALFORMED, Code.VERB_UNKNOWN}


def test_a_server_that_asks_its_client_for_something_loses_the_connection(sessions):
    bare = sessions.use_bare_server()
    exchange = sessions.client.ask(PingRequest(1))
    sessions.run(seconds=0.1)
    bare.say(exchange.request, Get(FINGERPRINT, (), b"a"))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL
    assert exchange.is_over


def test_the_end_of_a_connection_ends_its_requests(sessions):
    uploads = [sessions.client.put(f"{number}", some_bytes(300_000)) for number in range(3)]
    sessions.run(seconds=0.05)
    sessions.client.connection.close(Code.CANCELLED, "enough", now_ns=sessions.now_ns)
    sessions.finish(*uploads)
    sessions.run(seconds=3)
    assert {each.error.code for each in uploads} == {Code.CANCELLED}
    assert sessions.server.transfers == 0


def test_a_refused_request_tells_code_sentence_and_remedy(sessions):
    done = sessions.finish(sessions.client.ask(Stat(0, b"missing")))
    assert isinstance(done.error, RefusedError)
    assert done.error.code is Code.NOT_FOUND
    assert "missing" in str(done.error)


def test_an_exchange_that_fails_takes_no_other_with_it(sessions):
    class Failing(Exchange):
        def on_start(self):
            raise RefusedError("not with me", code=Code.BUSY)

    failed = sessions.client.start(Failing)
    other = sessions.client.ask(PingRequest(1))
    sessions.finish(failed, other)
    assert failed.error.code is Code.BUSY
    assert other.error is None


def test_an_exchange_that_says_its_peer_broke_the_rules_ends_the_connection(sessions):
    class Accusing(Exchange):
        def on_message(self, message):
            raise PeerError("that was not nice", code=Code.STATE_ILLEGAL)

    exchange = sessions.client.start(Accusing)
    exchange.say(Remove(b"missing"))
    sessions.finish(exchange)
    assert exchange.error.code in {Code.NOT_FOUND, Code.STATE_ILLEGAL}
