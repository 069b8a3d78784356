"""LIST, STAT, REMOVE and PING; and what a server allows at all."""

from hashlib import sha256

import pytest
from msgspec.structs import replace
from virtual_pair import some_bytes
from virtual_sessions import ALL_ALLOWED, SessionPair

from mayhem_udp.errors import Code, MayhemError, RefusedError
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import GetPackReceiver, PutPackSender
from mayhem_udp.wire.declarations import DatagramType
from mayhem_udp.wire.messages import NO_DIGEST, EntryKind, List, PingRequest, Remove, Stat


def ask(pair, question):
    return pair.finish(pair.client.ask(question))


def names(exchange):
    return sorted(entry.name.decode() for entry in exchange.entries)


def plant(pair, *names):
    for name in names:
        path = pair.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_a_ping_is_answered_at_once(sessions):
    sessions.open()
    began_ns = sessions.now_ns
    assert ask(sessions, PingRequest(1)).result.code == Code.OK
    assert sessions.now_ns - began_ns < 21_000_000


def test_a_list_names_what_matches_and_never_the_store_itself(sessions):
    plant(sessions, "a.txt", "b.txt", "b.bin", "sub/c.txt")
    assert names(ask(sessions, List(0, b"*.txt"))) == ["a.txt", "b.txt"]
    assert names(ask(sessions, List(0, b"*"))) == ["a.txt", "b.bin", "b.txt", "sub"]
    assert names(ask(sessions, List(1, b"*"))) == ["a.txt", "b.bin", "b.txt", "sub", "sub/c.txt"]
    assert names(ask(sessions, List(0, b".mayhem*"))) == []


def test_a_list_of_thousands_comes_whole_over_a_hostile_network(hostile):
    plant(hostile, *(f"{number:05}" for number in range(2_000)))
    assert len(names(ask(hostile, List(0, b"*")))) == 2_000


def test_a_list_that_nobody_wants_any_more_leaves_no_folder_open(sessions):
    plant(sessions, *(f"sub/{number:0200}" for number in range(1_500)))
    sessions.open()
    before = set(sessions.server.disk.open)
    asked = sessions.client.ask(List(0, b"sub/*"))
    sessions.run_until(lambda: asked.entries)
    held = [each for session in sessions.server.sessions.values() for each in session.exchanges.values()]
    assert held and sessions.server.disk.open > before
    asked.fail(MayhemError("that is enough", code=Code.CANCELLED))
    sessions.run(seconds=1)
    assert sessions.server.disk.open == before


def test_a_pattern_that_leads_out_is_refused(sessions):
    assert isinstance(ask(sessions, List(0, b"../*")).error, RefusedError)


def test_stat_tells_size_and_digest(sessions):
    data = some_bytes(100_000)
    (sessions.root / "a").write_bytes(data)
    (entry,) = ask(sessions, Stat(1, b"a")).entries
    assert (entry.kind, entry.size, entry.sha256) == (EntryKind.FILE, 100_000, sha256(data).digest())
    (entry,) = ask(sessions, Stat(0, b"a")).entries
    assert entry.sha256 == NO_DIGEST


def test_stat_of_a_folder_has_no_digest(sessions):
    (sessions.root / "folder").mkdir()
    (entry,) = ask(sessions, Stat(1, b"folder")).entries
    assert (entry.kind, entry.sha256) == (EntryKind.DIRECTORY, NO_DIGEST)


def test_what_is_removed_is_gone(sessions):
    plant(sessions, "a")
    assert ask(sessions, Remove(b"a")).error is None
    assert sessions.served("a") is None
    assert ask(sessions, Remove(b"a")).error.code is Code.NOT_FOUND


@pytest.mark.parametrize("name", [b"../a", b"/etc/passwd", b".mayhem", b"a\0", b"\xff\xfe", b""])
@pytest.mark.parametrize("question", [lambda name: Stat(1, name), Remove])
def test_names_that_will_not_do_are_refused(sessions, question, name):
    done = ask(sessions, question(name))
    assert done.error.code in {Code.NAME_REFUSED, Code.NAME_RESERVED}


def small(name, data=b"x"):
    return SmallFile(name, data, 0, 0o644, Code.OK, sha256(data).digest())


VERBS = {
    "put": lambda pair: pair.client.put("new", b"data"),
    "echo": lambda pair: pair.client.echo("new", b"data"),
    "get": lambda pair: pair.client.get("old"),
    "stat": lambda pair: pair.client.ask(Stat(1, b"old")),
    "list": lambda pair: pair.client.ask(List(0, b"*")),
    "remove": lambda pair: pair.client.ask(Remove(b"old")),
    "ping": lambda pair: pair.client.ask(PingRequest(1)),
    "put pack": lambda pair: pair.client.start(
        lambda *where: PutPackSender(
            *where, files=iter([small(b"new")]), count=1, on_codes=lambda first, codes: None
        )
    ),
    "get pack": lambda pair: pair.client.start(
        lambda *where: GetPackReceiver(
            *where, names=(b"old",), store=lambda files: [0] * len(files), on_codes=lambda first, codes: None
        )
    ),
}
NEEDS = {
    "write": {"put", "echo", "put pack"},
    "read": {"get", "get pack"},
    "list": {"list"},
    "remove": {"remove"},
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("switch", NEEDS)
def test_what_is_switched_off_is_refused_and_nothing_else(tmp_path, verb, switch):
    pair = SessionPair(tmp_path, server_options={"access": replace(ALL_ALLOWED, **{switch: False})})
    plant(pair, "old")
    done = pair.finish(VERBS[verb](pair))
    if verb in NEEDS[switch]:
        assert done.error.code is Code.ACCESS_DENIED
        assert f"access.{switch}" in str(done.error)
    else:
        assert done.error is None
    assert (pair.served("new") is not None) == (done.error is None and verb in {"put", "put pack"})


def test_stat_wants_reading_or_listing_to_be_allowed(tmp_path):
    access = replace(ALL_ALLOWED, read=False, list=False)
    pair = SessionPair(tmp_path, server_options={"access": access})
    plant(pair, "old")
    assert ask(pair, Stat(0, b"old")).error.code is Code.ACCESS_DENIED


@pytest.mark.parametrize("verb", ["put", "get", "echo", "put pack", "get pack"])
def test_a_server_with_all_the_transfers_it_takes_is_busy(tmp_path, verb):
    pair = SessionPair(tmp_path, "delay=10ms,rate=1M", server_options={"transfers_max": 2})
    plant(pair, "old")
    first = [pair.client.put(f"{number}", some_bytes(100_000)) for number in range(2)]
    pair.run_until(lambda: pair.server.transfers == 2)
    refused = pair.finish(VERBS[verb](pair))
    assert refused.error.code is Code.BUSY
    assert ask(pair, PingRequest(1)).error is None, "questions are no transfers"
    pair.finish(*first)
    assert pair.finish(VERBS[verb](pair)).error is None


def test_a_removal_that_is_played_again_removes_nothing(sessions):
    """Greeting, token and request in one datagram: the network may double it, or somebody keep it."""
    plant(sessions, "a")
    ask(sessions, PingRequest(1))
    sessions.run(seconds=1)
    token = sessions.client.tokens[-1]
    sessions.wind_up()
    greetings = []
    handle = sessions.server.handle_batch

    def overhear(batch, *, now_ns):
        if bytes(batch.buffer)[3] == DatagramType.HELLO:
            greetings.append(replace(batch, buffer=bytes(batch.buffer)))
        handle(batch, now_ns=now_ns)

    sessions.server.handle_batch = overhear
    sessions.client.use(sessions.new_connection(token=token))
    assert ask(sessions, Remove(b"a")).error is None
    sessions.wind_up()
    plant(sessions, "a")
    for port in (0, 1):
        address = greetings[0].address._replace(port=greetings[0].address.port + port)
        handle(replace(greetings[0], address=address), now_ns=sessions.now_ns)
        while sessions.server.work(now_ns=sessions.now_ns):
            pass
        assert (sessions.root / "a").exists()
