"""What is in the store: what is shown, and what is not."""

import errno
import os
import socket
from contextlib import nullcontext

import pytest
from virtual_process import CountedDisk

from mayhem_udp.errors import Code, RefusedError, TransferError
from mayhem_udp.limits import NAME_DEPTH_MAX
from mayhem_udp.store.disk import RealDisk
from mayhem_udp.store.listing import DESCRIPTORS, ENTRIES_PER_ROUND, LOOKS_MAX
from mayhem_udp.store.names import check_name
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.patterns import EVERYTHING, check_pattern
from mayhem_udp.store.quota import StoreLimits


@pytest.fixture
def tree(root):
    """A tree with files, and with everything that is none."""
    for name in ("a.txt", "b.jpg", "photos/c.jpg", "photos/2024/d.jpg", "photos/2024/e.txt", "empty/.keep"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))
    (root / "link.txt").symlink_to("a.txt")
    (root / "folder-link").symlink_to("photos")
    (root / "outside").symlink_to("/etc")
    (root / "dangling").symlink_to("nothing")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
    (root / "evil\x1b[2J").write_bytes(b"")
    (root / ".mayhem-left.part").write_bytes(b"")
    with open(os.fsencode(root) + b"/\xff", "wb"):
        pass
    return root


def names(store, pattern, *, recursive=False):
    return sorted(entry.name for entry in store.entries(check_pattern(pattern), recursive=recursive))


def test_everything_that_could_be_asked_for_is_shown_and_nothing_else(store, tree):
    found = sorted(entry.name for entry in store.entries(EVERYTHING, recursive=True))
    assert found == [
        "a.txt",
        "b.jpg",
        "empty",
        "empty/.keep",
        "photos",
        "photos/2024",
        "photos/2024/d.jpg",
        "photos/2024/e.txt",
        "photos/c.jpg",
    ]


@pytest.mark.parametrize(
    ("pattern", "recursive", "found"),
    [
        ("*.jpg", False, ["b.jpg"]),
        ("**/*.jpg", False, ["b.jpg", "photos/2024/d.jpg", "photos/c.jpg"]),
        ("photos/*", False, ["photos/2024", "photos/c.jpg"]),
        ("photos", False, ["photos"]),
        ("photos/2024", True, ["photos/2024", "photos/2024/d.jpg", "photos/2024/e.txt"]),
        ("photos/c.jpg", False, ["photos/c.jpg"]),
        ("none", False, []),
        ("none/*", False, []),
        ("a.txt/*", False, []),
        ("link.txt", False, []),
        ("folder-link/*", False, []),
        ("outside/*", True, []),
        ("outside/passwd", False, []),
        ("pipe", False, []),
        ("socket", False, []),
        (".mayhem", True, []),
        (".mayhem/*", True, []),
        (".[m]ayhem/*", True, []),
        ("", False, [""]),
    ],
)
def test_a_pattern_finds_what_it_means(store, tree, pattern, recursive, found):
    assert names(store, pattern, recursive=recursive) == found


def test_the_root_itself_can_be_listed_with_all_below(store, tree):
    assert names(store, "", recursive=True)[:3] == ["", "a.txt", "b.jpg"]


def test_an_entry_says_size_time_and_mode(store, tree):
    (tree / "a.txt").chmod(0o4751)
    os.utime(tree / "a.txt", ns=(1, 1_234_567_890_123_456_789))
    (entry,) = store.entries(check_pattern("a.txt"), recursive=False)
    assert (entry.size, entry.mtime_ns, entry.mode) == (5, 1_234_567_890_123_456_789, 0o751)
    assert not entry.is_directory
    assert store.stat(check_name("a.txt")) == entry
    assert store.stat(check_name("photos")).is_directory


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("none", Code.NOT_FOUND),
        ("link.txt", Code.NOT_REGULAR),
        ("pipe", Code.NOT_REGULAR),
        ("folder-link/c.jpg", Code.NOT_REGULAR),
        ("a.txt/b", Code.NOT_REGULAR),
    ],
)
def test_what_is_not_shown_has_no_status(store, tree, name, code):
    with pytest.raises(RefusedError) as caught:
        store.stat(check_name(name))
    assert caught.value.code is code


def test_a_colon_after_one_letter_is_a_drive_at_the_beginning_of_a_name_only(store, root):
    (root / "col" / "x:y").mkdir(parents=True)
    for name in ("col/a:b", "col/x:y/c:"):
        path = root / str(check_name(name))  # so it can be stored
        path.write_bytes(b"contents")
    (root / "z:none").write_bytes(b"")
    inside = ["col/a:b", "col/x:y", "col/x:y/c:"]
    assert names(store, "**") == ["col", *inside]
    assert names(store, "col", recursive=True) == ["col", *inside]
    assert names(store, "*/?:*") == ["col/a:b", "col/x:y"]
    assert names(store, "col/x:y/c:") == ["col/x:y/c:"]
    assert names(store, "z:none") == []


def test_two_lists_at_once_are_both_whole(store, tree):
    one = store.entries(check_pattern("*"), recursive=False)
    seen = [next(one).name]
    assert names(store, "*") == ["a.txt", "b.jpg", "empty", "photos"]
    seen += [entry.name for entry in one]
    assert sorted(seen) == ["a.txt", "b.jpg", "empty", "photos"]


def test_a_folder_that_goes_away_meanwhile_is_passed_over(store, tree):
    found = store.entries(EVERYTHING, recursive=True)
    seen = [next(found).name]
    (tree / "empty" / ".keep").unlink()
    (tree / "empty").rmdir()
    seen += [entry.name for entry in found]
    assert "photos/2024/d.jpg" in seen


class ClosedDisk(RealDisk):
    """A disk with folders that cannot be opened or read, each with its error."""

    def __init__(self, **closed):
        self.closed = {name.encode(): number for name, number in closed.items()}
        self.unreadable = set()

    def open_folder(self, folder, name):
        if name in self.closed and name != b"unread":
            raise OSError(self.closed[name], "closed")
        opened = RealDisk.open_folder(folder, name)
        if name == b"unread":
            self.unreadable.add(opened)
        return opened

    def close(self, file):
        self.unreadable.discard(file)
        RealDisk.close(file)

    def entries(self, folder):
        if folder in self.unreadable:
            raise OSError(self.closed[b"unread"], "closed")
        return RealDisk.entries(folder)


def gaps_of(root, pattern, **closed):
    """What is found, and what is said of the rest."""
    store = open_store(root, placement=Placement.HIDDEN_FOLDER, disk=ClosedDisk(**closed))
    listing = store.listing(pattern, recursive=False)
    found = sorted(name for each in rounds_of(listing) for name in each)
    store.close()
    return found, listing.shortfall


@pytest.mark.parametrize("closed", ["priv", "unread"])
def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_listed(root, closed):
    for name in ("a/x", f"{closed}/x", "z/x"):
        (root / name).parent.mkdir()
        (root / name).touch()
    found, gap = gaps_of(root, b"**", **{closed: errno.EACCES})
    assert found == sorted(["a", "a/x", closed, "z", "z/x"])
    assert gap.code is Code.PERMISSION
    assert gap.message == f"the list has gaps: the server has no permission for {closed}"
    assert gaps_of(root, f"{closed}/*".encode(), **{closed: errno.EACCES})[1].code is Code.PERMISSION
    assert gaps_of(root, b"a/*", **{closed: errno.EACCES}) == (["a/x"], None)
    assert gaps_of(root, b"*", **{closed: errno.EACCES}) == (sorted(["a", closed, "z"]), None)
    assert gaps_of(root, b"**/x", **{closed: errno.EIO})[1].code is Code.IO_ERROR


def test_of_several_folders_that_cannot_be_read_the_first_is_named_and_the_others_are_counted(root):
    for name in ("a", "b", "c"):
        (root / name).mkdir()
    _, gap = gaps_of(root, b"**", a=errno.EACCES, b=errno.EACCES, c=errno.EPERM)
    assert gap.message.endswith("(and 2 more)")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.ELOOP])
def test_a_folder_that_went_away_while_it_was_listed_is_no_gap(root, number):
    (root / "a").mkdir()
    assert gaps_of(root, b"**", a=number) == (["a"], None)


def test_what_is_counted_passes_over_folders_without_permission_and_no_others(root):
    (root / "a").mkdir()
    limits = StoreLimits(files_max=2)
    for number, ends_well in ((errno.EACCES, True), (errno.EIO, False)):
        disk = ClosedDisk(a=number)
        store = open_store(root, placement=Placement.HIDDEN_FOLDER, disk=disk, limits=limits)
        with nullcontext() if ends_well else pytest.raises(TransferError):
            store.count()
        store.close()


def test_a_walk_does_not_go_deeper_than_a_name_can(store, root):
    deep = root
    for _ in range(NAME_DEPTH_MAX + 3):
        deep = deep / "x"
    deep.mkdir(parents=True)
    assert len(names(store, "", recursive=True)) == NAME_DEPTH_MAX + 1


# --- In rounds, for a peer ----------------------------------------------------------------------------


PARTS = 20
"""Of a pattern, each of which is one look at every name."""


def rounds_of(listing):
    found = []
    while (entries := listing.read()) is not None:
        found.append([entry.name for entry in entries])
    return found


@pytest.mark.parametrize("pattern", [b"*", b"*x", b"x/*", b"f*/[x]"])
def test_a_listing_in_rounds_finds_what_a_walk_does_and_no_round_is_long(store, root, pattern):
    pattern = PARTS * b"**/" + pattern
    for number in range(3 * LOOKS_MAX // PARTS):
        (root / f"f{number}").touch()
    found = rounds_of(store.listing(pattern, recursive=False))
    assert len(found) >= 3, "where nothing matches, too"
    assert max(map(len, found)) <= ENTRIES_PER_ROUND
    assert sorted(name for each in found for name in each) == names(store, pattern)
    assert store.quota.open_files == 0


def test_folders_that_are_empty_make_a_round_too(store, root):
    for number in range(LOOKS_MAX // PARTS):
        (root / f"{number}").mkdir()
    assert len(rounds_of(store.listing(PARTS * b"**/" + b"x/**/y", recursive=False))) >= 1


def test_a_listing_checks_its_pattern_when_it_is_read(store):
    listing = store.listing(b"../*", recursive=False)
    with pytest.raises(RefusedError):
        listing.read()


def test_listings_between_rounds_hold_few_descriptors_and_these_are_counted(root):
    deep = "/".join("d" * 40)
    (root / deep).mkdir(parents=True)
    for number in range(ENTRIES_PER_ROUND + 1):
        (root / deep / f"{number}").touch()
    disk = CountedDisk()
    limits = StoreLimits(open_files_max=4 * DESCRIPTORS)
    store = open_store(root, placement=Placement.HIDDEN_FOLDER, disk=disk, limits=limits)
    before = len(disk.open)
    listings = [store.listing(f"{deep}/*".encode(), recursive=False) for _ in range(5)]
    for listing in listings[:4]:
        assert listing.read()
    assert len(disk.open) - before == 4
    assert store.quota.open_files == 4 * DESCRIPTORS
    with pytest.raises(RefusedError) as caught:
        listings[4].read()
    assert caught.value.code is Code.TOO_MANY_OPEN_FILES
    for listing in listings:
        listing.close()
    assert (len(disk.open), store.quota.open_files) == (before, 0)
