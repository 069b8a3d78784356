"""A client behind a NAT that forgets: a new port in the midst of a transfer, and the transfer goes on."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "soak"))
from streets import Nat

MB = 1_000_000
SIZE = 12 * MB
CHUNK = 1_024


@pytest.fixture
def nat(town):
    """Between the clients and a daemon that tells how far transfers are."""
    daemon = town.daemon("--set", "logging.progress_interval=0.1s", "--set", "congestion.rate_cap=40M")
    nat = Nat(daemon.port)
    yield nat, daemon
    nat.stop()


@pytest.mark.parametrize("verb", ["put", "get"])
def test_a_transfer_goes_on_over_the_same_connection_after_its_port_has_changed_twice(town, nat, verb):
    nat, daemon = nat
    file = town.file("film", SIZE)
    if verb == "get":
        town.mayhem("put", file, daemon.url).well()
    url = f"mayhem://127.0.0.1:{nat.port}/"
    arguments = [file, url] if verb == "put" else [f"{url}film", "back"]
    client = town.start(verb, "--json", "--chunk-size", CHUNK, "--retry", "0", "--rate", "40M", *arguments)
    for moves in (1, 2):
        daemon.err.wait_for(rf'"verb": "{verb}".*"bytes_done": [1-9]')
        nat.forget()
        daemon.err.wait_for(r"(?s)" + r"peer moved.*" * moves)
    (result,) = client.end().well().results
    assert result["verified"]
    moved = {each["connection"] for each in daemon.events("peer moved")}
    ended = daemon.events("transfer done")[-1]
    assert moved == {ended["connection"]}, "one connection, from its beginning to its end"
    there, here = daemon.root / "film", town.here / ("film" if verb == "put" else "back")
    assert there.read_bytes() == here.read_bytes() == file.read_bytes()
