"""A disk that answers nothing of one file for as long as the test likes: only that file's transfer waits.

Every operation in turn that a transfer needs, on a real file system (FUSE) under a real daemon.
"""

import os

import pytest
from held_disk import CREATE, DEVICE, FSYNC, LOOKUP, OPEN, READ, RENAME, SLOW, UNLINK, WRITE, HeldDisk

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not DEVICE.exists(), reason="mounting a disk of the test's own needs root and FUSE"
)

BYTES = 3_000_000
DATA = SLOW + bytes(range(256)) * (BYTES // 256)


@pytest.fixture
def disk(town):
    disk = HeldDisk(town.folder / "root")
    yield disk
    disk.close()


def others_are_served(town, daemon, *, with_uploads):
    """A quick contact, and a small file from the same disk; where the kernel itself lets it, one to it."""
    town.mayhem("ping", "--timeout", "10", daemon.url).well()
    town.mayhem("get", "--timeout", "10", f"{daemon.url}other", "other").well()
    assert (town.here / "other").read_bytes() == b"quick"
    if with_uploads:
        town.mayhem("put", "--timeout", "10", town.file("more", 300_000), daemon.url).well()
        town.mayhem("echo", "--timeout", "10", town.file("there and back", 300_000), daemon.url).well()


@pytest.mark.parametrize("operation", [LOOKUP, OPEN, READ], ids=["lookup", "open", "read"])
def test_a_download_from_a_slow_disk_holds_up_nobody_else(town, disk, operation):
    disk.add("slow", DATA)
    disk.add("other", b"quick")
    daemon = town.daemon()
    disk.hold(operation)
    slow = town.start("get", f"{daemon.url}slow", "slow")
    disk.wait_until_held()
    others_are_served(town, daemon, with_uploads=operation != LOOKUP)
    disk.let_go()
    slow.end().well()
    assert (town.here / "slow").read_bytes() == DATA
    daemon.stop()
    assert not daemon.events("the loop stalled")


@pytest.mark.parametrize(
    "operation", [CREATE, WRITE, FSYNC, RENAME], ids=["create", "write", "fsync", "rename"]
)
def test_an_upload_to_a_slow_disk_holds_up_nobody_else(town, disk, operation):
    """The kernel itself lets nobody else make or rename files in a folder in which a file is being made."""
    disk.add("other", b"quick")
    assert (disk.place / "other").read_bytes() == b"quick", "the kernel knows its name from now on"
    (town.here / "slow").write_bytes(DATA)
    daemon = town.daemon()
    disk.hold(operation)
    slow = town.start("put", "slow", daemon.url)
    disk.wait_until_held()
    others_are_served(town, daemon, with_uploads=operation in (WRITE, FSYNC))
    disk.let_go()
    slow.end().well()
    assert disk.content("slow") == DATA
    daemon.stop()
    assert not daemon.events("the loop stalled")


def test_a_round_trip_over_a_slow_disk_holds_up_nobody_else(town, disk):
    """All that it needs is a file without a name: taking the name away is where it begins."""
    disk.add("other", b"quick")
    (town.here / "slow").write_bytes(DATA)
    daemon = town.daemon()
    disk.hold(UNLINK)
    slow = town.start("echo", "slow", daemon.url)
    disk.wait_until_held()
    others_are_served(town, daemon, with_uploads=False)
    disk.let_go()
    slow.end().well()
    assert (town.here / "received_slow").read_bytes() == DATA
    daemon.stop()
