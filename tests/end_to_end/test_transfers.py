"""Files there and back, by real processes, over loopback and through a network that misbehaves."""

import pytest
from town import RESULT_FIELDS, digest_of

CHUNK = 1_024
SIZES = {
    "empty": 0,
    "one": 1,
    "five": 5_000,
    "eight": 8_000,
    "chunk-less": CHUNK - 1,
    "chunk": CHUNK,
    "chunk-more": CHUNK + 1,
    "large": 20_000_000,
}
HOSTILE = "drop=5%,corrupt=5%,duplicate=2%,reorder=2%,seed=11"


def files_in(town, sizes=SIZES):
    return [town.file(name, size) for name, size in sizes.items()]


def check(results, files):
    """One verified result for each file, with its size and digest."""
    by_name = {each["name"]: each for each in results}
    assert sorted(by_name) == sorted(each.name for each in files)
    for file in files:
        result = by_name[file.name]
        assert [key for key in result if key != "path"] == RESULT_FIELDS
        assert (result["bytes"], result["sha256"]) == (file.stat().st_size, digest_of(file))
        assert result["verified"] is True
    return by_name


def test_files_of_every_size_go_there_and_come_back(town):
    daemon, files = town.daemon(), files_in(town)
    check(town.mayhem("put", "--json", *files, daemon.url).well().results, files)
    assert daemon.stored() == set(SIZES)
    back = town.here / "back"
    urls = [daemon.url + name for name in SIZES]
    check(town.mayhem("get", "--json", *urls, back).well().results, files)
    for file in files:
        assert (back / file.name).read_bytes() == file.read_bytes()
    assert daemon.staged() == []


def test_files_of_every_size_survive_a_hostile_network_both_ways(town):
    daemon, files = town.daemon("--chunk-size", CHUNK), files_in(town, {**SIZES, "large": 3_000_000})
    _, url = town.proxy(daemon, HOSTILE)
    put = check(town.mayhem("put", "--json", "--chunk-size", CHUNK, *files, url).well().results, files)
    assert put["large"]["retransmitted"] > 0
    assert put["large"]["corrupt_dropped"] > 0
    back = town.here / "back"
    got = town.mayhem("get", "--json", *(url + name for name in SIZES), back).well()
    assert check(got.results, files)["large"]["corrupt_dropped"] > 0
    for file in files:
        assert (back / file.name).read_bytes() == file.read_bytes()


def test_the_round_trip_saves_what_came_back_and_leaves_nothing_on_the_server(town):
    daemon, files = town.daemon(), files_in(town)
    _, url = town.proxy(daemon, "challenge,seed=3")
    results = (
        town.mayhem("echo", "--json", "--chunk-size", CHUNK, *files, url, "--out", "back").well().results
    )
    for result in check(results, files).values():
        assert result["path"] == f"back/received_{result['name']}"
    for file in files:
        assert (town.here / "back" / f"received_{file.name}").read_bytes() == file.read_bytes()
    assert daemon.stored() == set()
    assert daemon.staged() == []


def test_a_file_of_20_mb_survives_a_hostile_network(town):
    daemon, large = town.daemon(), town.file("large", 20_000_000)
    _, url = town.proxy(daemon, HOSTILE)
    town.mayhem("put", large, url).well()
    assert digest_of(daemon.root / "large") == digest_of(large)


def test_twenty_clients_at_once_each_get_their_own_file_back(town):
    daemon = town.daemon()
    _, url = town.proxy(daemon, "drop=10%,corrupt=5%,seed=2")
    files = [town.file(f"file-{number}", 5_000 + 37_000 * number) for number in range(20)]
    clients = [town.start("echo", "--json", "--timeout", "60", file, url, "--out", "back") for file in files]
    for client, file in zip(clients, files, strict=True):
        check(client.end().well().results, [file])
        assert (town.here / "back" / f"received_{file.name}").read_bytes() == file.read_bytes()
    assert daemon.events("transfer failed") == []


def test_a_blackout_in_the_midst_is_survived(town):
    daemon, file = town.daemon(), town.file("film", 4_000_000)
    proxy, url = town.proxy(daemon, "rate=20M,queue=200K,delay=5ms,blackout=400ms+1500ms,seed=1")
    (result,) = town.mayhem("put", "--json", file, url).well().results
    assert digest_of(daemon.root / "film") == result["sha256"] == digest_of(file)
    proxy.signal(2)
    counts = proxy.end().well().out
    assert int(counts.split("blacked out")[1].split()[0].replace(",", "")) > 0, counts


@pytest.mark.parametrize("controller", ["bbr", "cubic", "fixed"])
def test_every_congestion_control_moves_a_file(town, controller):
    daemon, file = town.daemon("--cc", controller), town.file("file", 2_000_000)
    _, url = town.proxy(daemon, "drop=1%,delay=2ms,seed=5")
    town.mayhem("echo", "--cc", controller, file, url).well()
    assert (town.here / "received_file").read_bytes() == file.read_bytes()


SMALL_DATAGRAMS = ("--chunk-size", "1024")
"""Two of loopback's of 65 KB, which no pacer divides, are a fortieth of these files."""


def test_a_client_bounds_the_rate_of_what_it_fetches(town):
    daemon = town.daemon()
    (daemon.root / "film").write_bytes(bytes(5_000_000))
    (result,) = (
        town.mayhem("get", "--json", "--rate", "20M", *SMALL_DATAGRAMS, daemon.url + "film").well().results
    )
    assert result["goodput_bps"] <= 21e6


def test_a_daemon_bounds_the_rate_of_what_it_is_given(town):
    daemon, file = town.daemon("--rate", "20M"), town.file("film", 5_000_000)
    (result,) = town.mayhem("put", "--json", *SMALL_DATAGRAMS, file, daemon.url).well().results
    assert result["goodput_bps"] <= 21e6


def test_both_ip_versions_reach_a_daemon_that_listens_everywhere(town):
    daemon, file = town.daemon("--listen", ":0", host=""), town.file("file", 50_000)
    for host in ("127.0.0.1", "localhost"):
        town.mayhem("echo", file, f"mayhem://{host}:{daemon.port}/").well()
    if (town.folder / "/proc/net/if_inet6").exists():
        town.mayhem("echo", file, f"mayhem://[::1]:{daemon.port}/").well()
