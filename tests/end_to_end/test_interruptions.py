"""Transfers that are cut: by a kill, a restart, a signal, a network that goes away; and what becomes of them."""

import signal

import pytest
from town import digest_of

MB = 1_000_000
CHUNK = 1_024
SENT_TWICE_MAX = 4 * (1 << 20)
"""What may cross twice when a transfer goes on where it stopped."""
SLOW = "rate=40M,queue=400K,delay=2ms"
"""5 MB a second: 20 MB take four seconds, time enough to be cut."""


def cut(town, daemon, verb, *arguments, at):
    """A command on its way: returns it once `at` bytes are done, as the daemon's log tells."""
    client = town.start(verb, "--json", "--chunk-size", CHUNK, *arguments)
    first, more = str(at)[0], len(str(at)) - 1
    daemon.err.wait_for(rf'"verb": "{verb}".*"bytes_done": ([{first}-9]\d{{{more}}}|\d{{{more + 2},}}),')
    return client


@pytest.fixture
def daemon(town):
    """A daemon that tells how far transfers are ten times a second."""
    return town.daemon("--set", "logging.progress_interval=0.1s")


def new_bytes(result, *, way):
    """How many bytes of a file crossed in a transfer, from its datagrams of one chunk each."""
    return CHUNK * result[way]


def assert_only_what_crossed_counts(result):
    assert 8 * MB - SENT_TWICE_MAX < result["resumed_bytes"] < 20 * MB
    crossed = result["bytes"] - result["resumed_bytes"]
    assert result["goodput_bps"] == pytest.approx(8 * crossed / result["seconds"])


def test_an_upload_whose_client_was_killed_goes_on_where_it_stopped(town, daemon):
    file = town.file("film", 20 * MB)
    _, url = town.proxy(daemon, SLOW)
    cut(town, daemon, "put", file, url, at=8 * MB).kill()
    assert daemon.stored() == set()
    (result,) = town.mayhem("put", "--json", "--chunk-size", CHUNK, file, url).well().results
    assert digest_of(daemon.root / "film") == result["sha256"] == digest_of(file)
    assert new_bytes(result, way="datagrams_sent") < 12 * MB + SENT_TWICE_MAX
    assert_only_what_crossed_counts(result)
    assert daemon.staged() == []


def test_a_download_whose_client_was_killed_goes_on_where_it_stopped(town, daemon):
    file = town.file("film", 20 * MB)
    town.mayhem("put", file, daemon.url).well()
    _, url = town.proxy(daemon, SLOW)
    cut(town, daemon, "get", url + "film", "back", at=8 * MB).kill()
    assert not (town.here / "back").exists()
    (result,) = town.mayhem("get", "--json", "--chunk-size", CHUNK, url + "film", "back").well().results
    assert (town.here / "back").read_bytes() == file.read_bytes()
    assert new_bytes(result, way="datagrams_received") < 12 * MB + SENT_TWICE_MAX
    assert_only_what_crossed_counts(result)
    assert sorted(each.name for each in town.here.iterdir()) == ["back", "film"], "nothing is left beside it"


@pytest.mark.parametrize("verb", ["put", "get", "echo"])
def test_a_daemon_that_is_killed_and_comes_back_is_found_again_by_the_same_command(town, daemon, verb):
    file = town.file("film", 12 * MB)
    arguments = {"put": [file], "get": ["back"], "echo": [file]}[verb]
    if verb == "get":
        town.mayhem("put", file, daemon.url).well()
    _, url = town.proxy(daemon, SLOW)
    order = [url + "film", *arguments] if verb == "get" else [*arguments, url]
    client = cut(town, daemon, verb, *order, at=4 * MB)
    daemon.kill()
    again = town.daemon(port=daemon.port)
    (result,) = client.end().well().results
    assert result["verified"]
    assert result["sha256"] == digest_of(file)
    assert "resumed_bytes" not in result, "this command moved all of it"
    if verb != "echo":
        assert result["retransmitted"] * CHUNK < SENT_TWICE_MAX
        assert digest_of(daemon.root / "film") == digest_of(file)
    assert again.staged() == []


def test_a_source_that_changed_after_the_cut_starts_over(town, daemon):
    file = town.file("film", 20 * MB)
    _, url = town.proxy(daemon, SLOW)
    cut(town, daemon, "put", file, url, at=4 * MB).kill()
    changed = town.file("film", 20 * MB, seed=1)
    town.mayhem("put", changed, url).well()
    assert digest_of(daemon.root / "film") == digest_of(changed)


def test_ctrl_c_ends_the_command_cleanly_and_tells_the_peer(town, daemon):
    file = town.file("film", 20 * MB)
    _, url = town.proxy(daemon, SLOW)
    client = cut(town, daemon, "put", file, url, at=2 * MB)
    client.signal(signal.SIGINT)
    ended = client.end()
    assert ended.code == 1
    assert ended.err.strip() == (
        "mayhem: interrupted; next: give the same command again to go on where it stopped"
    )
    daemon.wait_for_event("connection failed", reason="the client was stopped")
    assert daemon.stored() == set()


def test_sigterm_lets_a_transfer_end_and_the_daemon_with_it(town, daemon):
    file = town.file("film", 12 * MB)
    _, url = town.proxy(daemon, SLOW)
    client = cut(town, daemon, "put", file, url, at=2 * MB)
    daemon.signal(signal.SIGTERM)
    daemon.wait_for_event("shutting down", transfers=1)
    late = town.mayhem("ping", "--timeout", "2", daemon.url)
    assert late.code == 3
    assert "shutting down" in late.err
    client.end().well()
    assert daemon.end().well()
    assert digest_of(daemon.root / "film") == digest_of(file)


def test_after_the_grace_the_peers_are_told_and_can_go_on_later(town):
    daemon = town.daemon("--set", "logging.progress_interval=0.1s", "--set", "server.grace_time=0.3s")
    file = town.file("film", 12 * MB)
    _, url = town.proxy(daemon, SLOW)
    client = cut(town, daemon, "put", "--retry", "0", file, url, at=2 * MB)
    daemon.stop()
    ended = client.end()
    assert ended.code == 3
    assert "the server is shutting down" in ended.err
    again = town.daemon(port=daemon.port)
    town.mayhem("put", file, again.url).well()
    assert digest_of(again.root / "film") == digest_of(file)


def test_a_client_that_was_told_of_the_end_goes_on_by_itself_when_the_daemon_is_back(town):
    daemon = town.daemon("--set", "logging.progress_interval=0.1s", "--set", "server.grace_time=0.3s")
    file = town.file("film", 12 * MB)
    _, url = town.proxy(daemon, SLOW)
    client = cut(town, daemon, "put", file, url, at=2 * MB)
    daemon.stop()
    again = town.daemon(port=daemon.port)
    (result,) = client.end().well().results
    assert result["retransmitted"] * CHUNK < SENT_TWICE_MAX
    assert digest_of(again.root / "film") == digest_of(file)


def test_a_second_sigterm_ends_the_daemon_at_once(town, daemon):
    file = town.file("film", 20 * MB)
    _, url = town.proxy(daemon, "rate=4M,queue=40K")
    client = cut(town, daemon, "put", "--retry", "0", file, url, at=100_000)
    daemon.signal(signal.SIGTERM)
    daemon.wait_for_event("shutting down")
    daemon.stop()
    assert client.end().code == 3


def test_a_server_that_is_gone_for_good_ends_the_command_when_the_retries_are_over(town, daemon):
    file = town.file("film", 20 * MB)
    client = cut(town, daemon, "put", "--retry", "1", "--rate", "40M", file, daemon.url, at=2 * MB)
    daemon.kill()
    ended = client.end()
    assert ended.code == 3
    assert len(ended.err.strip().splitlines()) <= 2
    assert "nobody listens" in ended.err


def test_a_network_that_is_away_longer_than_the_idle_time_is_waited_for(town):
    idle = ("--set", "transport.idle_timeout=1s", "--set", "transport.keep_alive=0.5s")
    daemon = town.daemon(*idle)
    file = town.file("film", 6 * MB)
    _, url = town.proxy(daemon, "rate=20M,queue=200K,blackout=1s+3s")
    client = town.start("put", "--json", file, url)
    daemon.wait_for_event("connection timed out")
    (result,) = client.end().well().results
    assert result["verified"]
    assert digest_of(daemon.root / "film") == digest_of(file)


def test_two_uploads_of_the_same_file_at_once_both_end_well(town, daemon):
    """A second upload takes over from a first only where that gives no sign of life."""
    file = town.file("film", 4 * MB)
    _, url = town.proxy(daemon, SLOW)
    first = cut(town, daemon, "put", file, url, at=1 * MB)
    second = town.start("put", "--json", file, url)
    assert [each.end().well().results[0]["verified"] for each in (first, second)] == [True, True]
    assert digest_of(daemon.root / "film") == digest_of(file)
    assert daemon.staged() == []
