"""What a file is called on the other side."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell_in_memory import Shell

from mayhem_udp.cli import naming
from mayhem_udp.cli.naming import Crowd
from mayhem_udp.errors import MayhemError, PeerError, UsageError
from mayhem_udp.url import Url, parse_url

HOST = Url("h", 5000, "")


@pytest.mark.parametrize(
    ("path", "target", "crowd", "name"),
    [
        ("a.txt", "", Crowd.ONE, "a.txt"),
        ("a.txt", "b.txt", Crowd.ONE, "b.txt"),
        ("a.txt", "dir/", Crowd.ONE, "dir/a.txt"),
        ("a.txt", "dir/b.txt", Crowd.ONE, "dir/b.txt"),
        ("/tmp/x/a.txt", "", Crowd.ONE, "a.txt"),
        ("../a.txt", "dir/", Crowd.ONE, "dir/a.txt"),
        ("a.txt", "dir", Crowd.SEVERAL, "dir/a.txt"),
        ("a.txt", "dir/", Crowd.SEVERAL, "dir/a.txt"),
        ("a.txt", "", Crowd.SEVERAL, "a.txt"),
        ("dir", "", Crowd.ONE, "dir"),
        ("dir/", "", Crowd.ONE, "dir"),
        ("dir", "x/", Crowd.ONE, "x/dir"),
        ("dir", "x", Crowd.ONE, "x"),
        ("dir/.", "", Crowd.ONE, ""),
        ("dir/.", "x/", Crowd.ONE, "x"),
        (".", "x/", Crowd.ONE, "x"),
        ("..", "", Crowd.ONE, ""),
        ("/", "x/", Crowd.ONE, "x"),
        ("a/b/dir//", "x/y/", Crowd.ONE, "x/y/dir"),
    ],
)
def test_an_upload_is_named_as_cp_would(path: str, target: str, crowd: Crowd, name: str):
    assert naming.upload_name(path, HOST.named(target), crowd=crowd) == name


@pytest.mark.parametrize(
    ("source", "destination", "into", "path"),
    [
        ("a.txt", ".", True, "a.txt"),
        ("dir/a.txt", ".", True, "a.txt"),
        ("dir/a.txt", "out", True, "out/a.txt"),
        ("dir/a.txt", "b.txt", False, "b.txt"),
        ("dir/", "out", True, "out/dir"),
        ("", "out", True, "out"),
    ],
)
def test_a_download_lands_where_cp_would_put_it(source: str, destination: str, into: bool, path: str):
    assert naming.download_path(HOST.named(source), destination, into=into) == Path(path)


@pytest.mark.parametrize(
    ("destination", "crowd", "into"),
    [
        (".", Crowd.ONE, True),
        ("..", Crowd.ONE, True),
        ("dir/", Crowd.ONE, True),
        ("/", Crowd.ONE, True),
        ("name", Crowd.ONE, False),
        ("name", Crowd.SEVERAL, True),
    ],
)
def test_a_destination_is_gone_into_by_its_form(destination: str, crowd: Crowd, into: bool):
    assert naming.goes_into(destination, crowd=crowd) is into


# --- Which argument is what -------------------------------------------------------------------------


def test_the_last_url_is_where_files_go():
    assert naming.split_put(["a", "b", "mayhem://h/x/"], default=None) == (["a", "b"], HOST.named("x/"))


def test_without_a_url_files_go_to_the_default_server():
    assert naming.split_put(["a", "b"], default=HOST) == (["a", "b"], HOST)
    assert naming.split_put(["a", "mayhem:///x"], default=HOST) == (["a"], HOST.named("x"))
    assert naming.split_put([], default=HOST) == ([], HOST)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "there is no URL to send to; end with mayhem://HOST:PORT/, or set MAYHEM_URL"),
        (["a", "localhost:5000"], "there is no URL to send to; perhaps you mean mayhem://localhost:5000"),
        (["a", "b.example:7/x/"], "perhaps you mean mayhem://b.example:7/x/"),
        (["a", "localhost"], "perhaps you mean mayhem://localhost"),
        (["a", "host:/x"], "perhaps you mean mayhem://host/x"),
        (["a", "me@host.example:x/y"], "perhaps you mean mayhem://host.example/x/y"),
        (["a", "http://h/x"], "it does not begin with mayhem://; perhaps you mean mayhem://h/x"),
        (["http://h/x"], "it does not begin with mayhem://; perhaps you mean mayhem://h/x"),
        (["a", "ftp://h:x"], "it does not begin with mayhem://; write it like mayhem://HOST:PORT/NAME"),
        (["a:b"], "there is no URL to send to; end with mayhem://HOST:PORT/, or set MAYHEM_URL"),
        (["a", "mayhem:/localhost/"], "there is no URL to send to; perhaps you mean mayhem://localhost/"),
        (["host:/x"], "there is no URL to send to; end with mayhem://HOST:PORT/, or set MAYHEM_URL"),
        (["localhost:5000"], "end with mayhem://HOST:PORT/"),
        (["a", "b.txt"], "end with mayhem://HOST:PORT/"),
        (["mayhem://h/", "a"], "'mayhem://h/' is a URL among the files; put the URL last"),
        (["a", "mayhem://h:x/"], "has no port"),
    ],
)
def test_uploads_that_make_no_sense_say_why(arguments: list[str], message: str):
    with pytest.raises(UsageError) as caught:
        naming.split_put(arguments, default=None)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "sources", "destination"),
    [
        (["mayhem://h/a"], ["a"], "."),
        (["mayhem://h/a", "b"], ["a"], "b"),
        (["mayhem://h/a", "mayhem://h/b"], ["a", "b"], "."),
        (["mayhem://h/a", "mayhem://h/b", "dir"], ["a", "b"], "dir"),
        (["a"], ["a"], "."),
        (["a", "b"], ["a"], "b"),
        (["/a", "mayhem:///c", "b"], ["a", "c"], "b"),
    ],
)
def test_a_last_argument_that_is_no_url_is_the_destination(
    arguments: list[str], sources: list[str], destination: str
):
    assert naming.split_get(arguments, default=HOST) == ([HOST.named(name) for name in sources], destination)


@pytest.mark.parametrize(
    ("split", "arguments"),
    [
        (naming.split_put, ["", "mayhem://h/"]),
        (naming.split_put, ["a", "", "mayhem://h/"]),
        (naming.split_put, ["a", ""]),
        (naming.split_get, ["mayhem://h/a", ""]),
        (naming.split_get, [""]),
        (naming.split_get, ["", "b"]),
    ],
)
def test_an_empty_argument_is_never_taken_for_the_current_folder(split, arguments: list[str]):
    for default in (None, HOST):
        with pytest.raises(UsageError, match="an argument is empty, and names no file"):
            split(arguments, default=default)


@pytest.mark.parametrize("verb", ["ls", "stat", "rm", "ping"])
def test_an_empty_argument_is_never_taken_for_the_whole_server(shell: Shell, verb: str):
    shell.environ["MAYHEM_URL"] = "mayhem://h/"
    assert shell(verb, "") == 2
    assert "an argument is empty, and names no file" in shell.err
    assert shell.server.log == []


def test_a_plain_name_counts_from_the_default_url():
    assert naming.remote("a/b", default=HOST.named("site/")).name == "site/a/b"
    assert naming.remote("a/b", default=HOST.named("site")).name == "site/a/b"
    with pytest.raises(UsageError, match="perhaps you mean mayhem://a/b"):
        naming.remote("a/b", default=None)


def test_standard_input_needs_a_name():
    assert naming.stream_name(HOST.named("a.tar")) == "a.tar"
    for folder in ("", "dir/"):
        with pytest.raises(UsageError, match="standard input has no name of its own"):
            naming.stream_name(HOST.named(folder))


# --- Patterns and folders ---------------------------------------------------------------------------


def test_names_below_a_folder_lose_it():
    assert naming.relative_to("dir/sub/a", "dir") == "sub/a"
    assert naming.relative_to("dir/a", "dir/") == "a"
    assert naming.relative_to("a", "") == "a"


@pytest.mark.parametrize("name", ["other/a", "dirt/a", "dir", "/dir/a"])
def test_a_server_that_lists_what_is_elsewhere_is_not_trusted(name: str):
    with pytest.raises(PeerError, match="do not trust this server"):
        naming.relative_to(name, "dir")


@given(st.text(alphabet="ab*?[]", min_size=1, max_size=8))
def test_a_literal_pattern_means_its_name_alone(name: str):
    from fnmatch import fnmatchcase

    assert fnmatchcase(name, naming.literal(name))
    assert not fnmatchcase(name + "x", naming.literal(name))
    assert not fnmatchcase("x", naming.literal(name))


@pytest.mark.parametrize(
    ("name", "folder"),
    [("ca/.", "ca"), ("a/b/./", "a/b"), (".", ""), ("./", ""), ("ca", None), ("ca/", None), ("", None), ("a.", None)],
)  # fmt: skip
def test_a_dot_at_the_end_means_what_is_in_a_folder(name: str, folder: str | None):
    assert naming.contents_of(name) == folder


@pytest.mark.parametrize(
    ("files", "folders", "is_shared"),
    [
        ([], ["x"], False),
        (["x"], ["y"], False),
        ([], ["x", "y"], False),
        ([], ["x", "xy"], False),
        ([], ["x", "x"], True),
        ([], ["x", "x/y"], True),
        (["x/a"], ["x"], True),
        (["a"], [""], True),
        ([], ["", "y"], True),
    ],
)
def test_folders_share_a_place_where_one_is_within_another(
    files: list[str], folders: list[str], is_shared: bool
):
    assert naming.is_place_shared(files, folders) is is_shared


def test_patterns_of_a_folder():
    assert [naming.children_of(""), naming.children_of("a/")] == ["*", "a/*"]
    assert [naming.all_below(""), naming.all_below("a")] == ["**", "a/**"]


def test_two_sources_never_become_one_file():
    naming.check_no_twins([("x/a", "a"), ("x/b", "b")])
    with pytest.raises(UsageError, match="x/a and y/a would both become a; send them apart"):
        naming.check_no_twins([("x/a", "a"), ("y/a", "a")])


def test_the_round_trip_names_its_copy():
    assert naming.received_name("dir/sample.bin") == "received_sample.bin"


@given(st.lists(st.text(max_size=12), max_size=4))
def test_no_arguments_whatever_break_the_rules(arguments: list[str]):
    for split in (naming.split_put, naming.split_get):
        for default in (None, parse_url("mayhem://h/")):
            try:
                split(arguments, default=default)
            except MayhemError as error:
                assert error.exit_code == 2  # noqa: PT017  # understood, or a usage error


@pytest.mark.parametrize("split", [naming.split_put, naming.split_get])
@pytest.mark.parametrize("url", ["ftp://host/", "http://host/x", "Mayhem+x://host/"])
def test_a_url_of_another_scheme_is_no_file_even_where_there_is_a_default_server(split, url: str):
    with pytest.raises(UsageError, match="does not begin with mayhem://"):
        split(["file", url], default=HOST)
    split(["file", f"./{url}"], default=HOST)


def test_a_url_without_a_host_says_that_the_environment_may_name_it():
    with pytest.raises(UsageError, match="has no host; name the host, or set MAYHEM_URL to the server"):
        naming.remote("mayhem:///a", default=None)
    with pytest.raises(UsageError, match="has no host; name the host, or set MAYHEM_URL to the server"):
        naming.split_put(["file", "mayhem:///a"], default=None)
