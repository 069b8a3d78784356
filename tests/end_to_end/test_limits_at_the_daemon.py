"""The limits of a real daemon, each at its edge: the last that is let in, the first that is not, and why."""

import subprocess

import pytest


class Pending:
    """An upload from standard input that goes on until the test ends it."""

    def __init__(self, town, daemon, name):
        self._town, self.name = town, name
        self.running = town.start("put", "--no-progress", "-", f"{daemon.url}{name}", stdin=subprocess.PIPE)
        self.running.process.stdin.write(b"begun ")
        self.running.process.stdin.flush()
        daemon.wait_for_event("transfer started", file=name)

    def finish(self):
        self.running.process.stdin.write(b"and ended")
        self.running.process.stdin.close()
        return self.running.end().well()


def refused(ended, sentence):
    """A command that was refused: its code, one line, and what it says."""
    assert ended.code == 5, ended.err
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    return True


CROWDS = [
    ("limits.connections_max=1", "the server has as many connections as it takes"),
    ("limits.connections_per_address_max=1", "too many connections from this address"),
    ("limits.transfers_max=1", "the server has as many transfers under way as it takes"),
]


@pytest.mark.parametrize(("setting", "sentence"), CROWDS)
def test_one_more_than_there_may_be_is_refused_and_the_first_goes_on(town, setting, sentence):
    daemon = town.daemon("--set", setting)
    file = town.file("file", 1_000)
    first = Pending(town, daemon, "first")
    refused(town.mayhem("put", file, daemon.url), sentence)
    first.finish()
    assert (daemon.root / "first").read_bytes() == b"begun and ended"
    tries = (town.mayhem("put", file, daemon.url).code for _ in range(100))  # it lingers for a second
    assert 0 in tries, "its place is never free again"
    assert daemon.stored() == {"first", "file"}


FILES = [
    ("limits.file_size_max=1000", [("a", 1_000)], ("b", 1_001), "1000 B"),
    ("limits.stored_max=3000", [("a", 2_000), ("b", 1_000)], ("c", 1), "the store may hold at most 2.9 KiB"),
    ("limits.files_max=2", [("a", 1), ("b", 1)], ("c", 1), "2"),
    ("limits.name_max=5", [("abcde", 1)], ("abcdef", 1), "5 bytes"),
    ("limits.name_depth_max=2", [("a/b", 1)], ("a/b/c", 1), "2 parts"),
]


@pytest.mark.parametrize(("setting", "taken", "too_much", "says"), FILES)
@pytest.mark.parametrize("size_of_file", ["small", "large"])
def test_what_a_store_may_not_hold_is_refused_and_nothing_of_it_is_left(
    town, setting, taken, too_much, says, size_of_file
):
    """Small ones come one by one here; `large` ones as a stream whose size nobody knows before."""
    daemon = town.daemon("--set", setting)
    for name, size in taken:
        town.mayhem("put", town.file("file", size), f"{daemon.url}{name}").well()
    name, size = too_much
    data = town.file("file", size)
    if size_of_file == "small":
        ended = town.mayhem("put", data, f"{daemon.url}{name}")
    else:
        ended = town.mayhem("put", "-", f"{daemon.url}{name}", stdin=data.read_bytes())
    refused(ended, says)
    assert daemon.stored() == {name for name, _ in taken}
    assert daemon.staged() == []
    town.mayhem("get", f"{daemon.url}{taken[0][0]}", "back").well()


def test_space_that_is_to_be_left_free_is_left_free(town):
    daemon = town.daemon("--set", "store.free_space_min=1000T")
    ended = town.mayhem("put", town.file("file", 1), daemon.url)
    refused(ended, "there is no space")
    assert daemon.stored() == set()


def test_with_the_least_of_memory_everything_still_works(town):
    daemon = town.daemon("--set", "limits.memory_max=1M", "--set", "limits.memory_per_connection_max=1M")
    large = town.file("large", 20_000_000)
    small = [town.file(f"few/{number}", 30_000, seed=number) for number in range(100)]
    town.mayhem("put", large, daemon.url).well()
    town.mayhem("put", "-r", "few", daemon.url).well()
    assert (daemon.root / "large").read_bytes() == large.read_bytes()
    town.mayhem("get", f"{daemon.url}large", "back").well()
    assert (town.here / "back").read_bytes() == large.read_bytes()
    town.mayhem("get", "-r", f"{daemon.url}few", "again").well()
    found = {each.name: each.read_bytes() for each in (town.here / "again").rglob("*") if each.is_file()}
    assert found == {each.name: each.read_bytes() for each in small}


def test_more_files_at_once_than_requests_are_allowed_come_one_after_the_other(town):
    daemon = town.daemon("--set", "limits.requests_per_connection_max=8")
    files = [town.file(f"{number}", 100_000, seed=number) for number in range(30)]
    town.mayhem("put", "--set", "client.parallel=30", *files, daemon.url).well()
    assert daemon.stored() == {each.name for each in files}
