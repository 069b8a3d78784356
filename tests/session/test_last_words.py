"""The last words of a request, and what the other side makes of it when they are lost."""

import pytest
from virtual_pair import some_bytes
from virtual_sessions import SessionPair

from mayhem_udp.errors import Code


def serving(pair):
    """The server's half of the only request."""
    (session,) = pair.server.sessions.values()
    return next(iter(session.exchanges.values()), None)


def begin(pair, verb, data):
    if verb == "echo":
        return pair.client.echo("file", data)
    pair.root.joinpath("file").write_bytes(data)
    return pair.client.get("file")


@pytest.mark.parametrize("verb", ["get", "echo"])
def test_a_client_that_is_content_has_its_file_though_its_saying_so_was_lost(tmp_path, verb):
    pair = SessionPair(tmp_path)
    pair.open()
    asked = begin(pair, verb, some_bytes(50_000))
    pair.run_until(lambda: serving(pair) is not None)
    served = serving(pair)
    pair.finish(asked)
    assert not served.is_over
    pair.client.connection.close(Code.OK, "done", now_ns=pair.now_ns)  # before the result is on its way
    pair.run_until(lambda: served.is_over)
    assert asked.error is served.error is None


@pytest.mark.parametrize("verb", ["get", "echo"])
def test_a_client_that_leaves_early_has_not_got_its_file_whatever_it_says(tmp_path, verb):
    pair = SessionPair(tmp_path, "delay=10ms,rate=1M")
    pair.open()
    begin(pair, verb, some_bytes(500_000))
    pair.run_until(lambda: serving(pair) is not None)
    served = serving(pair)
    pair.client.connection.close(Code.OK, "done", now_ns=pair.now_ns)
    pair.run_until(lambda: served.is_over)
    assert served.error is not None
