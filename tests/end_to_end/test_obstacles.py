"""What stands in the way of a file, here or at the server: nothing is replaced, and it is said which side it is.

Permissions hold for root too in these tests: the capabilities that overrule them are dropped.
"""

import os
from shutil import which

import pytest
from town import MAYHEM

import mayhem_udp
from mayhem_udp.errors import Code, IncompleteListError, LocalFileError
from mayhem_udp.results import TransferFailure
from mayhem_udp.store.source import MTIME_MAX_NS

OVERRULING = "-dac_override,-dac_read_search"
ORDINARY = (
    [which("setpriv") or "setpriv", f"--bounding-set={OVERRULING}", f"--inh-caps={OVERRULING}"]
    if os.geteuid() == 0
    else [which("env") or "env"]
)
"""Starts a command for which permissions hold."""
PATIENT = 60
"""More files than have requests of their own: they come in packs."""


def ordinary(town, *arguments):
    """A command for which permissions hold, at its end."""
    return town.start(*ORDINARY[1:], MAYHEM, *arguments, program=ORDINARY[0]).end()


def only_line(ended, code):
    assert ended.code == code, ended.err
    (line,) = ended.err.strip().splitlines()
    return line


@pytest.fixture
def daemon(town):
    """A daemon with a file and a folder, meant where no URL is given."""
    daemon = town.daemon()
    town.environ["MAYHEM_URL"] = daemon.url
    (daemon.root / "photos").mkdir(parents=True)
    (daemon.root / "photos" / "sea.jpg").write_bytes(b"the sea")
    (daemon.root / "file").write_bytes(b"contents")
    return daemon


@pytest.fixture
def server(daemon, town):
    with mayhem_udp.connect(daemon.url, cache_dir=str(town.folder / "tokens")) as client:
        yield client


# --- Devices, pipes and sockets -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "link to a device", "link to a pipe"])
def test_a_download_replaces_no_device_and_no_pipe_and_says_how_it_gets_there(town, daemon, kind):
    place = town.here / "place"
    if kind == "link to a device":
        place.symlink_to("/dev/null")
    else:
        pipe = place if kind == "pipe" else town.here / "pipe"
        os.mkfifo(pipe)
        if pipe != place:
            place.symlink_to(pipe)
    before = place.lstat().st_ino
    for verb in (["get", "file", "place"], ["get", "mayhem:///file", str(place)]):
        line = only_line(town.mayhem(*verb), 1)
        assert "place here: it is a device, a pipe or the like; next: use - for standard output" in line
    assert place.lstat().st_ino == before
    assert town.mayhem("get", "file", "-").well().raw == b"contents"


@pytest.mark.parametrize("others", [0, PATIENT])
def test_a_pipe_among_the_places_of_many_downloads_fails_alone(town, server, others):
    os.mkfifo(town.folder / "pipe")
    wanted = [("file", town.folder / "back" / f"{number}") for number in range(others)]
    outcomes = list(server.get_many([*wanted, ("file", town.folder / "pipe")]))
    (failure,) = (each for each in outcomes if isinstance(each, TransferFailure))
    assert isinstance(failure.error, LocalFileError)
    assert (failure.error.code, len(outcomes)) == (Code.NOT_REGULAR, others + 1)
    assert "standard output" in failure.error.remedy
    assert (town.folder / "pipe").is_fifo()


def test_a_link_to_what_is_open_in_a_process_is_no_place_for_a_file(town, server):
    """Such is /dev/stdout, also where standard output is a file."""
    with open(town.file("mine", 4), "rb") as mine:
        (town.here / "link").symlink_to(f"/proc/self/fd/{mine.fileno()}")
        with pytest.raises(LocalFileError, match="link here") as refused:
            server.get("file", town.here / "link")
    assert "standard output" in refused.value.remedy
    assert (town.here / "link").is_symlink()


def test_a_file_takes_the_place_of_a_link_to_a_file_here(town, daemon):
    (town.here / "mine").write_bytes(b"mine")
    (town.here / "link").symlink_to("mine")
    town.mayhem("get", "file", "link").well()
    assert not (town.here / "link").is_symlink()
    assert ((town.here / "link").read_bytes(), (town.here / "mine").read_bytes()) == (b"contents", b"mine")


def test_an_upload_replaces_no_pipe_at_the_server(town, daemon):
    os.mkfifo(daemon.root / "pipe")
    town.file("pipe", 10)
    line = only_line(town.mayhem("put", "pipe"), 5)
    assert "a device, a pipe or a socket stands at pipe; next: use another name" in line
    assert (daemon.root / "pipe").is_fifo()


# --- Folders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [0, PATIENT])
def test_a_folder_here_in_the_way_of_a_download_is_an_error_of_this_side(town, server, others):
    (town.folder / "taken").mkdir()
    wanted = [("file", town.folder / "back" / f"{number}") for number in range(others)]
    outcomes = list(server.get_many([*wanted, ("file", town.folder / "taken")]))
    (failure,) = (each for each in outcomes if isinstance(each, TransferFailure))
    assert isinstance(failure.error, LocalFileError)
    assert (failure.error.code, len(outcomes)) == (Code.IS_DIRECTORY, others + 1)
    assert f"cannot write {town.folder / 'taken'} here: there is a folder" in failure.error.message


def test_the_command_tells_a_folder_here_from_one_at_the_server(town, daemon):
    (town.here / "file").mkdir()
    line = only_line(town.mayhem("get", "file"), 1)
    assert "cannot write file here: there is a folder of that name; next: name another place" in line
    (town.here / "photos").mkdir()
    line = only_line(town.mayhem("get", "photos", "."), 5)
    assert line == "mayhem: photos is a folder; next: use -r to fetch it with its contents"


def test_a_round_trip_says_which_folder_is_in_its_way(town, daemon):
    town.file("../s.sh", 10)
    (town.here / "received_s.sh").mkdir()
    line = only_line(town.mayhem("echo", "../s.sh"), 1)
    assert "cannot write received_s.sh here: there is a folder of that name" in line
    assert "../s.sh is a folder" not in line


# --- Permissions --------------------------------------------------------------------------------------


def test_a_download_into_a_folder_without_permission_names_the_path_and_this_side(town, daemon):
    (town.here / "ro").mkdir(mode=0o555)
    line = only_line(ordinary(town, "get", "file", "ro/x.pdf"), 1)
    assert "cannot write ro/x.pdf here: permission denied; next: check owner and mode of its folder" in line
    line = only_line(ordinary(town, "get", "file", "ro/new/x.pdf"), 1)
    assert "cannot write to ro/new here: permission denied; next: check owner and mode of the folder" in line


def test_many_downloads_into_a_folder_without_permission_name_their_paths(town, daemon):
    for number in range(PATIENT):
        (daemon.root / "many").mkdir(exist_ok=True)
        (daemon.root / "many" / f"{number}").write_bytes(b"small")
    (town.here / "many").mkdir(mode=0o555)
    ended = ordinary(town, "get", "-r", "many", "many")
    assert ended.code == 1, ended.err
    assert ended.err.count(" here: permission denied") == PATIENT
    assert "cannot write many/7 here: permission denied" in ended.err


def test_a_name_that_begins_like_a_drive_lands_with_its_folder_among_many(town, daemon):
    """As a whole name it is refused; in a folder it is a name like any other, here as at the server."""
    for number in range(PATIENT):
        town.file(f"odd/{number}", 10)
    (town.here / "odd" / "a:b").write_bytes(b"a and b")
    town.mayhem("put", "-r", "odd", daemon.url).well()
    town.mayhem("get", "-r", f"{daemon.url}odd/", "back").well()
    assert (town.here / "back" / "a:b").read_bytes() == b"a and b"


@pytest.mark.parametrize("count", [1, PATIENT])
def test_a_server_without_permission_says_that_it_is_the_server(town, count):
    daemon = town.daemon("--listen", "127.0.0.1:0", before=ORDINARY)
    (daemon.root / "ro").mkdir(mode=0o555)
    for number in range(count):
        town.file(f"files/{number}", 10)
    ended = town.mayhem("put", "-r", "files/.", f"{daemon.url}ro/")
    assert ended.code == 5
    assert ended.err.count("the server has no permission for ro/") == count
    assert "here" not in ended.err.replace("there", "")


def test_a_file_here_that_cannot_be_read_is_told_by_what_to_check(town, daemon):
    town.file("secret", 10).chmod(0)
    line = only_line(ordinary(town, "put", "secret"), 1)
    assert "cannot read secret: permission denied; next: check owner and mode of the file" in line
    town.file("closed/file", 10)
    (town.here / "closed").chmod(0)
    line = only_line(ordinary(town, "echo", "closed/file"), 1)
    (town.here / "closed").chmod(0o700)
    assert "cannot read closed/file: permission denied; next: check owner and mode of the folders" in line


# --- Lists with gaps ----------------------------------------------------------------------------------


GAP = "the list has gaps: the server has no permission for priv"


@pytest.fixture
def closed(town):
    """A daemon with a folder that it may not read, meant where no URL is given."""
    daemon = town.daemon("--listen", "127.0.0.1:0", before=ORDINARY)
    town.environ["MAYHEM_URL"] = daemon.url
    for name in ("open/a", "priv/b"):
        (daemon.root / name).parent.mkdir()
        (daemon.root / name).write_bytes(b"contents")
    (daemon.root / "priv").chmod(0)
    yield daemon
    (daemon.root / "priv").chmod(0o700)


def test_a_folder_that_the_server_cannot_read_is_no_empty_folder(town, closed):
    for verb in (["ls", "mayhem:///priv/"], ["ls", "mayhem:///priv"], ["ls", "-r", "mayhem:///priv/"],
                 ["ls", "mayhem:///priv/*"], ["get", "-r", "mayhem:///priv/", "back"], ["get", "mayhem:///priv/*", "back/"],
                 ["rm", "mayhem:///priv/**"]):  # fmt: skip
        ended = town.mayhem(*verb)
        assert ended.out == "", verb
        assert GAP in only_line(ended, 5), verb
    closed.wait_for_event("request refused", level="warning", code=27)


def test_what_can_be_read_beside_it_is_listed_fetched_and_removed_and_the_command_fails(town, closed):
    listed = town.mayhem("ls", "-r")
    assert GAP in only_line(listed, 5)
    assert [line.split()[-1] for line in listed.out.splitlines()] == ["open/", "open/a", "priv/"]
    assert town.mayhem("ls").well().out.count("\n") == 2
    fetched = town.mayhem("get", "-r", closed.url, "back")
    assert GAP in only_line(fetched, 5)
    assert (town.here / "back" / "open" / "a").read_bytes() == b"contents"
    removed = town.mayhem("rm", "mayhem:///**")
    assert GAP in only_line(removed, 5)
    assert removed.out == "removed open/a\n"


def test_the_library_has_what_could_be_listed(town, closed):
    with mayhem_udp.connect(closed.url, cache_dir=str(town.folder / "tokens")) as client:
        with pytest.raises(IncompleteListError, match="priv") as caught:
            client.list("**")
        assert caught.value.code is Code.PERMISSION
        assert sorted(entry.name for entry in caught.value.entries) == ["open", "open/a", "priv"]
        assert [entry.name for entry in client.list("open/*")] == ["open/a"]


def test_times_that_no_message_can_tell_are_told_as_the_last_that_it_can(town, daemon):
    """In the year 2400 nanoseconds since 1970 take more than 63 bits; one such file ended the daemon."""
    late = [town.file("late", 100), town.file("folder/later", 100), daemon.root / "there"]
    late[2].write_bytes(b"there")
    for each in late:
        os.utime(each, ns=(13_569_465_600 * 10**9,) * 2)
        assert each.stat().st_mtime_ns > MTIME_MAX_NS, "this file system knows no such time"
    town.mayhem("put", late[0], daemon.url).well()
    town.mayhem("put", "-r", late[1].parent, daemon.url).well()
    assert "2262" in town.mayhem("stat", f"{daemon.url}there").well().out
    assert town.mayhem("ls", "-r", daemon.url).well().out.count("2262") == 3
    town.mayhem("get", "-r", daemon.url, town.folder / "back").well()
    assert (town.folder / "back" / "late").stat().st_mtime_ns == MTIME_MAX_NS
