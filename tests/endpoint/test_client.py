"""The client's end: contact, tokens, addresses, retries, and errands side by side."""

import socket

import pytest
from host import Host, settings_with
from wire_to_wire import has_ipv6

import mayhem_udp
from mayhem_udp.endpoint.client import ClientEndpoint
from mayhem_udp.endpoint.errand import Counts, Errand
from mayhem_udp.endpoint.visits import Visits
from mayhem_udp.endpoint.watcher import Silence
from mayhem_udp.errors import Code, LocalFileError, RefusedError, UnreachableError
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.results import Phase
from mayhem_udp.session.asking import Question
from mayhem_udp.transport.stats import ConnectionStats
from mayhem_udp.url import HostPort
from mayhem_udp.wire.messages import PingRequest, Stat


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path / "root")
    yield host
    host.close()


@pytest.fixture
def endpoint(host, tmp_path):
    """A client's end for that server."""
    made = make_endpoint(HostPort("127.0.0.1", host.port), tmp_path)
    yield made
    made.close()


def make_endpoint(place, tmp_path, spec="none", **changes):
    return ClientEndpoint(
        place,
        settings_with(**changes),
        visits=Visits(tmp_path / "cache"),
        faults=parse_spec(spec),
        watcher=Silence(),
    )


def asking(question, **more):
    return Errand("a question", lambda *where: Question(*where, question=question), may_repeat=True, **more)


# --- Contact ------------------------------------------------------------------------------------------


def test_a_visit_leaves_a_token_and_the_next_one_needs_no_retry(host, tmp_path):
    for _ in range(2):
        with mayhem_udp.connect(host.url, client__cache_dir=str(tmp_path / "cache")) as client:
            client.put(b"contents", "file")
        host.watcher.wait_for_gone()
    assert host.ask(lambda: host.server.listener.stats.retries) == 1


def test_a_token_of_another_server_does_no_harm(host, tmp_path):
    visits = Visits(tmp_path / "cache")
    visits.keep(HostPort("127.0.0.1", host.port), b"forged" * 10)
    with mayhem_udp.connect(host.url, client__cache_dir=str(tmp_path / "cache")) as client:
        assert client.ping(1).received == 1


def test_nobody_at_the_port_is_known_at_once_and_not_after_the_timeout(tmp_path, bench):
    closed = bench.server()
    place = HostPort("127.0.0.1", closed.local.port)
    closed.close()
    endpoint = make_endpoint(place, tmp_path, client__timeout="1h")
    (errand,) = endpoint.run([asking(PingRequest(1))], at_once=1)
    assert isinstance(errand.error, UnreachableError)
    assert "nobody listens" in errand.error.message
    endpoint.close()


def test_a_server_that_never_answers_is_unreachable_after_the_timeout(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        place = HostPort("127.0.0.1", silent.getsockname()[1])
        endpoint = make_endpoint(place, tmp_path, client__timeout="0.2s")
        (errand,) = endpoint.run([asking(PingRequest(1))], at_once=1)
        endpoint.close()
    assert errand.error.code is Code.HANDSHAKE_TIMEOUT
    assert errand.error.exit_code == 3
    assert errand.error.message == f"{place} did not answer within 0.2 s"
    assert "firewall" in errand.error.remedy


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_name_of_several_addresses_is_tried_until_one_answers(host, tmp_path):
    """`localhost` is ::1 first, where nobody listens."""
    endpoint = make_endpoint(HostPort("localhost", host.port), tmp_path)
    (errand,) = endpoint.run([asking(PingRequest(1))], at_once=1)
    assert errand.error is None
    endpoint.close()


def test_faults_at_the_clients_end_are_survived_and_counted(host, tmp_path):
    spec = "drop=20%,corrupt=10%,duplicate=5%,delay=1ms,seed=6"
    with mayhem_udp.connect(
        host.url, client__cache_dir=str(tmp_path), chunk_size=1_024, mayhem=spec
    ) as client:
        result = client.put(bytes(range(256)) * 2_000, "file")
    assert result.verified
    assert result.retransmitted > 0
    assert result.loss > 0
    assert (tmp_path / "root" / "file").read_bytes() == bytes(range(256)) * 2_000


# --- Errands ------------------------------------------------------------------------------------------


def test_errands_run_side_by_side_and_one_that_is_refused_harms_no_other(endpoint):
    errands = [
        asking(Stat(0, b"nothing") if number % 3 == 0 else PingRequest(number)) for number in range(30)
    ]
    over = list(endpoint.run(errands, at_once=8))
    assert len(over) == 30
    refused = {errands.index(each) for each in over if isinstance(each.error, RefusedError)}
    assert refused == set(range(0, 30, 3))
    assert {each.error for each in over if errands.index(each) not in refused} == {None}


def test_no_more_are_begun_at_once_than_asked_for(endpoint):
    begun, over = [], []

    def errands():
        for number in range(10):
            begun.append(number)
            assert len(begun) - len(over) <= 3
            yield asking(PingRequest(number))

    over.extend(endpoint.run(errands(), at_once=3))
    assert len(over) == 10


def test_an_errand_that_cannot_begin_ends_alone(endpoint):
    def fails(*_where):
        raise LocalFileError("there is no such file")

    broken = Errand("broken", fails, may_repeat=True)
    over = list(endpoint.run([broken, asking(PingRequest(1))], at_once=2))
    assert [each.error is None for each in sorted(over, key=lambda each: each is broken)] == [True, False]


def test_what_takes_long_is_prepared_before_an_errand_begins(endpoint):
    prepared = []
    errand = asking(PingRequest(1), prepare=lambda: prepared.append(errand.is_started))
    list(endpoint.run([errand], at_once=1))
    assert prepared == [False]


def test_whoever_wants_to_know_is_told_the_end_at_least(endpoint):
    told = []
    list(endpoint.run([asking(PingRequest(1), tell=told.append)], at_once=1))
    assert told[-1].state is Phase.DONE
    assert told[-1].name == "a question"


def test_errands_that_nobody_waits_for_any_more_are_given_up(endpoint):
    errands = [asking(PingRequest(number)) for number in range(5)]
    running = endpoint.run(errands, at_once=5)
    next(running)
    running.close()
    assert all(each.exchange is None or each.exchange.is_over for each in errands)


def test_counts_are_those_of_the_time_between_and_of_earlier_tries():
    now = Counts.of(
        ConnectionStats(datagrams_sent=100, eliciting_sent=60, lost=12, spurious=2, retransmitted=9)
    )
    before = Counts(sent=40, eliciting=20, lost=4, retransmitted=1)
    earlier = Counts(sent=5, eliciting=5, lost=5)
    total = now.since(before, earlier)
    assert (total.sent, total.eliciting, total.lost, total.retransmitted) == (65, 45, 11, 8)
    assert total.loss == 11 / 45
    assert Counts().loss == 0.0
    assert Counts(sent=1, eliciting=1, lost=3).loss == 1.0
    assert Counts(sent=1, eliciting=1, lost=-3).loss == 0.0


def test_errands_have_their_turns_while_the_next_one_is_in_the_making(endpoint):
    first, second = asking(PingRequest(1)), asking(PingRequest(2))

    def errands():
        yield first
        for _ in range(100_000):
            if first.is_over:
                break
            yield None
        assert first.is_over, "nobody served it meanwhile"
        yield second

    done = list(endpoint.run(errands(), at_once=8))
    assert done == [first, second]
    assert first.error is second.error is None


def test_nothing_but_errands_in_the_making_ends_without_any(endpoint):
    assert list(endpoint.run(iter([None, None]), at_once=2)) == []
