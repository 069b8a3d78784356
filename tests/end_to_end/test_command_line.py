"""The command as a user meets it: every verb, exit codes 0 to 3 and 5, --json, streams, names, folders."""

import json
import os

import pytest
from town import MAYHEM, RESULT_FIELDS, digest_of

LONG_NAME = "ü" * 127 + "x"
"""255 bytes of UTF-8."""


@pytest.fixture
def daemon(town):
    """A daemon, meant where no URL is given."""
    daemon = town.daemon()
    town.environ["MAYHEM_URL"] = daemon.url
    return daemon


# --- Verbs --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_all_is_stored_where_the_output_takes_nothing(town, daemon):
    names = {town.file(f"many/{number}", 10).name for number in range(20)}
    full = town.start("-c", f"exec {MAYHEM} put -r many {daemon.url} > /dev/full", program="sh").end()
    assert (full.code, full.err.count("\n")) == (1, 2)
    assert full.err.startswith(
        "mayhem: the output could not be written: no space left; next: send it elsewhere; "
    )
    assert daemon.stored() == {f"many/{name}" for name in names}
    town.mayhem("rm", f"{daemon.url}many/*").well()
    gone = town.start(
        "-c", f"({MAYHEM} put -r many {daemon.url} 2>&1; echo $? > code) | head -0", program="sh"
    ).end()
    assert (gone.err, (town.here / "code").read_text()) == ("", "1\n")
    assert daemon.stored() == {f"many/{name}" for name in names}


def test_names_are_the_same_where_the_locale_knows_no_utf_8(town, daemon):
    town.environ |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "MAYHEM_URL": daemon.url}
    for name in ("ünï—☃", "dö/fä"):
        (town.here / name).parent.mkdir(exist_ok=True)
        (town.here / name).write_bytes(name.encode())
    town.mayhem("put", "-r", "ünï—☃", "dö", daemon.url).well()
    town.mayhem("put", "ünï—☃", f"{daemon.url}nëu").well()
    assert daemon.stored() == {"ünï—☃", "dö/fä", "nëu"}
    town.mayhem("stat", "dö/fä").well()
    town.mayhem("get", "ünï—☃", "zurück").well()
    town.mayhem("get", "-r", "dö", "wïeder").well()
    town.mayhem("get", "n*", ".").well()
    town.mayhem("echo", "ünï—☃").well()
    came = ["zurück", "wïeder/fä", "nëu", "received_ünï—☃"]
    contents = [(town.here / name).read_text("utf-8") for name in came]
    assert contents == ["ünï—☃", "dö/fä", "ünï—☃", "ünï—☃"]
    town.mayhem("rm", "dö/fä").well()
    assert daemon.stored() == {"ünï—☃", "nëu"}


def test_ls_stat_rm_and_ping_tell_what_they_should(town, daemon):
    file = town.file("report.pdf", 12_345)
    town.mayhem("put", file, daemon.url + "docs/").well()
    listed = town.mayhem("ls", "-r").well().out.splitlines()
    assert [line.split()[-1] for line in listed] == ["docs/", "docs/report.pdf"]
    told = town.mayhem("stat", "docs/report.pdf").well().out
    assert digest_of(file) in told
    assert "12,345 bytes" in told
    assert town.mayhem("rm", "docs/report.pdf").well().out == "removed docs/report.pdf\n"
    assert daemon.stored() == set()
    assert (
        "4 asked, 4 answered, 0.0 % of the datagrams lost on the way there" in town.mayhem("ping").well().out
    )


def test_json_has_exactly_the_fields_that_are_promised(town, daemon):
    file = town.file("file", 70_000)
    (put,) = town.mayhem("put", "--json", file).well().results
    assert list(put) == RESULT_FIELDS
    (got,) = town.mayhem("get", "--json", "file", "back").well().results
    assert list(got) == [*RESULT_FIELDS, "path"]
    (echoed,) = town.mayhem("echo", "--json", file).well().results
    assert list(echoed) == [*RESULT_FIELDS, "path"]
    types = {"name": str, "bytes": int, "seconds": float, "verified": bool, "sha256": str, "loss": float}
    assert {name: type(put[name]) for name in types} == types
    (entry,) = town.mayhem("stat", "--json", "file").well().results
    assert list(entry) == ["name", "bytes", "mtime_ns", "kind", "sha256"]
    (listed,) = town.mayhem("ls", "--json").well().results
    assert list(listed) == ["name", "bytes", "mtime_ns", "kind"]
    (ping,) = town.mayhem("ping", "--json", "-c", "2").well().results
    assert list(ping) == ["sent", "received", "rtt_min_ms", "rtt_avg_ms", "rtt_max_ms", "loss"]
    assert (ping["sent"], ping["received"]) == (2, 2)


def test_with_json_nothing_but_the_objects_is_on_standard_output_even_where_some_fail(town, daemon):
    ended = town.mayhem("put", "--json", town.file("there", 10), "missing")
    assert ended.code == 1
    assert [each["name"] for each in ended.results] == ["there"]
    assert ended.err.startswith("mayhem: missing: no such file")


def test_version_help_and_completion_need_no_server(town):
    assert town.mayhem("--version").well().out.startswith("mayhem ")
    for verb in ("serve", "put", "get", "echo", "ls", "stat", "rm", "ping", "proxy", "decode", "config"):
        assert "Usage: mayhem" in town.mayhem(verb, "--help").well().out
    for shell in ("bash", "zsh", "fish"):
        assert "_MAYHEM_COMPLETE" in town.mayhem("completion", shell).well().out


def test_settings_are_shown_with_where_they_came_from_and_a_file_is_checked(town):
    (town.here / "good.toml").write_text("[transport]\nchunk_size = 1024\n")
    shown = town.mayhem("config", "show", "--config", "good.toml", environ={"MAYHEM_CLIENT__TIMEOUT": "3s"})
    assert "chunk_size = 1024" in shown.well().out
    assert "good.toml" in shown.out
    assert "MAYHEM_CLIENT__TIMEOUT" in shown.out
    (town.here / "bad.toml").write_text("[transport]\nchunk_sizes = 1024\n")
    checked = town.mayhem("config", "check", "bad.toml")
    assert checked.code == 2
    assert "bad.toml:2" in checked.err
    assert "chunk_size" in checked.err


def test_decode_explains_a_datagram_that_really_crossed(town, daemon):
    """A hello, as this machine's client would send it, read from hex on standard input."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(20)
        client = town.start("ping", "--timeout", "5", f"mayhem://127.0.0.1:{listener.getsockname()[1]}/")
        datagram = listener.recv(65_536)
        client.kill()
    told = town.mayhem("decode", stdin=datagram.hex().encode()).well().out
    assert f"{len(datagram):,} bytes" in told
    assert "magic" in told
    (explained,) = town.mayhem("decode", "--json", stdin=datagram.hex().encode()).well().results
    assert explained["bytes"] == len(datagram)


# --- Exit codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["put", "missing"], 1, "no such file"),
        (["put", "folder"], 1, "is a folder; next: use -r"),
        (["frobnicate"], 2, "frobnicate"),
        (["put", "file", "ftp://host/"], 2, "mayhem://"),
        (["get", "mayhem://host:99999/x"], 2, "port"),
        (["put", "--chunk-size", "huge", "file"], 2, "chunk_size"),
        (["put", "--set", "transport.chunksize=9", "file"], 2, "transport.chunk_size"),
        (["get", "not-there"], 5, "not-there"),
        (["stat", "not-there"], 5, "not-there"),
        (["rm", "not-there"], 5, "not-there"),
        (["get", "mayhem:///a/../b"], 5, ".."),
    ],
)
def test_each_kind_of_failure_is_one_clear_line_with_its_exit_code(town, daemon, arguments, code, says):
    town.file("file", 100)
    (town.here / "folder").mkdir()
    ended = town.mayhem(*arguments)
    assert ended.code == code, ended.err
    assert ended.out == ""
    (line,) = ended.err.strip().splitlines()
    assert line.startswith("mayhem: ")
    assert says in line


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["get", "mayhem:///photos", "."], 5, "photos is a folder; next: use -r to fetch it"),
        (["get", "photos", "-"], 5, "photos is a folder; next: name one file"),
        (["get", "-r", "photos/none", "."], 5, "there is no file to fetch; next: see with mayhem ls -r"),
        (["put", "file", "mayhem:///photos"], 5, "photos is a folder; next: end the URL with / to go into it"),
        (["echo", "folder"], 1, "folder is a folder; next: name a file"),
        (["rm", "photos"], 5, "photos is a folder; next: name a file, or all that are in it: 'mayhem://"),
        (["rm", "mayhem:///photos/"], 2, "/photos/ is a folder; next: name a file, or all that are in it"),
        (["rm", "mayhem:///"], 2, "/ is a folder; next: name a file"),
        (["stat", "mayhem:///"], 2, "/ names no file; next: name a file, or see them all with `mayhem ls`"),
    ],
)  # fmt: skip
def test_a_folder_in_the_way_has_a_remedy_that_the_verb_knows(town, daemon, arguments, code, says):
    town.file("file", 100)
    (town.here / "folder").mkdir()
    (daemon.root / "photos" / "none").mkdir(parents=True)
    (daemon.root / "photos" / "sea.jpg").write_bytes(b"x")
    ended = town.mayhem(*arguments)
    assert ended.code == code, ended.err
    assert says in ended.err
    assert (daemon.root / "photos" / "sea.jpg").exists()


def test_what_rm_recommends_for_a_folder_removes_what_is_in_it(town, daemon):
    for name in ("[1]/a", "[1]/deep/b", "1/c"):
        town.mayhem("put", town.file("file", 10), daemon.url + name).well()
    refused = town.mayhem("rm", "mayhem:///[1]/")
    town.mayhem("rm", refused.err.split("'")[1]).well()
    assert daemon.stored() == {"1/c"}


def test_a_port_where_nobody_listens_is_unreachable_at_once(town, daemon):
    port = daemon.port
    daemon.stop()
    ended = town.mayhem("ping", f"mayhem://127.0.0.1:{port}/")
    assert ended.code == 3
    assert f"nobody listens at 127.0.0.1:{port}" in ended.err


def test_a_server_that_never_answers_is_unreachable_after_the_timeout(town):
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        ended = town.mayhem("ping", "--timeout", "0.3", f"mayhem://127.0.0.1:{silent.getsockname()[1]}/")
    assert ended.code == 3
    assert "0.3 s" in ended.err


@pytest.mark.parametrize(
    ("switch", "verb"),
    [
        ("read", ["get", "file", "back"]),
        ("write", ["put", "file"]),
        ("list", ["ls"]),
        ("remove", ["rm", "file"]),
    ],
)
def test_what_the_server_does_not_allow_is_refused_with_exit_code_5(town, switch, verb):
    town.file("file", 100)
    (town.folder / "root").mkdir()
    (town.folder / "root" / "file").write_bytes(b"x")
    daemon = town.daemon("--set", f"access.{switch}=false")
    ended = town.mayhem(*verb, environ={"MAYHEM_URL": daemon.url})
    assert ended.code == 5
    assert "not allowed" in ended.err


def test_a_file_over_the_limit_is_refused_and_the_others_go_on(town):
    daemon = town.daemon("--set", "limits.file_size_max=1M")
    small, large = town.file("small", 1_000), town.file("large", 2_000_000)
    ended = town.mayhem("put", large, small, daemon.url)
    assert ended.code == 5
    assert daemon.stored() == {"small"}
    assert daemon.staged() == []


# --- Streams ------------------------------------------------------------------------------------------


def test_standard_input_goes_up_and_standard_output_comes_down_to_the_byte(town, daemon):
    content = os.urandom(300_000)
    up = town.mayhem("put", "-", daemon.url + "stream", stdin=content).well()
    assert up.err == ""
    assert (daemon.root / "stream").read_bytes() == content
    down = town.mayhem("get", "stream", "-").well()
    assert down.raw == content
    assert "SHA-256 verified" in down.err


def test_an_empty_standard_input_is_an_empty_file(town, daemon):
    town.mayhem("put", "-", daemon.url + "empty").well()
    assert (daemon.root / "empty").read_bytes() == b""


def test_echo_without_a_file_and_without_a_terminal_says_what_is_missing(town, daemon):
    ended = town.mayhem("echo")
    assert ended.code == 2
    assert "there is no file to send" in ended.err


# --- Names and folders --------------------------------------------------------------------------------


def test_names_of_255_bytes_and_of_odd_characters_go_there_and_back(town, daemon):
    names = [LONG_NAME, "with space", "-dash", "per%20cent", "quote'\"", "日本語.txt", "a" * 255]
    files = [town.file(name, 500 + number) for number, name in enumerate(names)]
    town.mayhem("put", *files, daemon.url).well()
    assert daemon.stored() == set(names)
    town.mayhem("get", *(daemon.url + name for name in names), "back").well()
    for file in files:
        assert (town.here / "back" / file.name).read_bytes() == file.read_bytes()


def test_a_name_of_256_bytes_is_refused_and_so_are_names_that_lead_outside(town, daemon):
    town.file("file", 10)
    for name in ("x" * 256, "../up", "a/../../up", ".mayhem/secret", "a\x01b"):
        ended = town.mayhem("put", "file", daemon.url + name)
        assert ended.code == 5, (name, ended.err)
        assert "\x01" not in ended.err
    assert daemon.stored() == set()
    assert sorted(each.name for each in town.folder.iterdir()) == ["cache", "here", "root"]


def test_globs_fetch_what_they_match(town, daemon):
    for name in ("a.jpg", "b.jpg", "c.txt", "deep/d.jpg"):
        town.mayhem("put", town.file(name, 1_000), daemon.url + name).well()
    town.mayhem("get", daemon.url + "*.jpg", "back/").well()
    assert sorted(each.name for each in (town.here / "back").iterdir()) == ["a.jpg", "b.jpg"]
    nothing = town.mayhem("get", daemon.url + "*.gif", "back/")
    assert nothing.code == 5
    town.mayhem("rm", "*.jpg").well()
    assert daemon.stored() == {"c.txt", "deep/d.jpg"}


def test_folders_go_there_and_come_back_whole(town, daemon):
    contents = {"index.html": 3_000, "img/logo.png": 90_000, "img/deep/er/x": 0, "style.css": 10}
    for name, size in contents.items():
        town.file(f"site/{name}", size)
    (town.here / "site" / "link").symlink_to("index.html")
    put = town.mayhem("put", "-r", "site", daemon.url).well()
    assert "site/link is a link, left out" in put.err
    assert daemon.stored() == {f"site/{name}" for name in contents}
    for _ in range(2):
        town.mayhem("get", "-r", daemon.url + "site", "back").well()
    there = {str(path.relative_to(town.here / "back")) for path in (town.here / "back").rglob("*")}
    assert there == {*contents, "img", "img/deep", "img/deep/er"}
    for name in contents:
        assert (town.here / "back" / name).read_bytes() == (town.here / "site" / name).read_bytes()
    town.mayhem("put", "-r", "site/.", daemon.url + "www/").well()
    assert {name for name in daemon.stored() if name.startswith("www/")} == {
        f"www/{name}" for name in contents
    }


def test_many_small_files_travel_together_and_all_arrive(town, daemon):
    for number in range(600):
        town.file(f"many/{number % 7}/file-{number}", number % 90)
    results = town.mayhem("put", "--json", "-r", "many", daemon.url).well().results
    assert len(results) == 600
    assert all(each["verified"] for each in results)
    assert len(daemon.stored()) == 600
    results = town.mayhem("get", "--json", "-r", daemon.url + "many", "back").well().results
    assert len(results) == 600
    for file in (town.here / "many").rglob("file-*"):
        assert (town.here / "back" / file.relative_to(town.here / "many")).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["back\\slash", ".mayhem", "taken"])
def test_a_file_among_many_is_refused_in_the_words_that_it_has_alone(town, daemon, name):
    for each in ("a", "b", name):
        town.file(f"odd/{each}", 10)
    (daemon.root / "odd" / "taken").mkdir(parents=True)
    alone = town.mayhem("put", f"odd/{name}", f"{daemon.url}odd/")
    together = town.mayhem("put", "-r", "odd", daemon.url)
    assert (alone.code, together.code) == (5, 5)
    refused, the_sum = together.err.splitlines()
    assert alone.err == f"{refused}\n"
    assert the_sum.startswith("mayhem: 2 of 3 files, 20 B in ")
    assert {"odd/a", "odd/b"} == daemon.stored()


def test_a_new_upload_replaces_the_file_and_keeps_time_and_permissions(town, daemon):
    file = town.file("file", 5_000)
    town.mayhem("put", file).well()
    file.write_bytes(b"new")
    os.utime(file, ns=(0, 1_600_000_000_123_456_789))
    file.chmod(0o640)
    town.mayhem("put", file).well()
    stored = daemon.root / "file"
    assert stored.read_bytes() == b"new"
    assert stored.stat().st_mtime_ns == 1_600_000_000_123_456_789
    town.mayhem("get", "file", "back").well()
    back = town.here / "back"
    assert (back.read_bytes(), back.stat().st_mtime_ns) == (b"new", 1_600_000_000_123_456_789)


def test_nothing_a_peer_sends_reaches_the_terminal_unescaped(town, daemon):
    name = "evil\x1b[31m"
    (daemon.root / name).write_bytes(b"x")
    listed = town.mayhem("ls").well()
    assert "\x1b" not in listed.out + listed.err
    for line in town.mayhem("ls", "--json").well().out.splitlines():
        json.loads(line)
        assert "\x1b" not in line
