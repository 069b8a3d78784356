"""`mayhem get`, down to the library's door."""

from pathlib import Path

import pytest
from shell_in_memory import MemoryServer, Shell

FILES = {"a.txt": b"one", "b.txt": b"two", "site/index.html": b"<html>", "site/img/logo.png": b"png"}


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer(dict(FILES))


def landed(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mayhem://h/a.txt"], {"a.txt": b"one"}),
        (["mayhem://h/a.txt", "."], {"a.txt": b"one"}),
        (["mayhem://h/a.txt", "c.txt"], {"c.txt": b"one"}),
        (["mayhem://h/a.txt", "dir/"], {"dir/a.txt": b"one"}),
        (["mayhem://h/site/index.html"], {"index.html": b"<html>"}),
        (["mayhem://h/a.txt", "mayhem://h/b.txt", "dir"], {"dir/a.txt": b"one", "dir/b.txt": b"two"}),
        (["mayhem://h/*.txt"], {"a.txt": b"one", "b.txt": b"two"}),
        (["mayhem://h/a.*", "dir"], {"dir": b"one"}),
        (["-r", "mayhem://h/site"], {"site/index.html": b"<html>", "site/img/logo.png": b"png"}),
        (["-r", "mayhem://h/site/", "."], {"site/index.html": b"<html>", "site/img/logo.png": b"png"}),
        (["-r", "mayhem://h/site", "www"], {"www/index.html": b"<html>", "www/img/logo.png": b"png"}),
        (["-r", "mayhem://h/site/img", "a.txt", "x"], {"x/img/logo.png": b"png", "x/a.txt": b"one"}),
        (["-r", "mayhem://h/", "all"], {f"all/{name}": content for name, content in FILES.items()}),
        (["-r", "mayhem://h/site/.", "dd"], {"dd/index.html": b"<html>", "dd/img/logo.png": b"png"}),
        (["-r", "mayhem://h/site/.", "dd/"], {"dd/index.html": b"<html>", "dd/img/logo.png": b"png"}),
        (["-r", "mayhem://h/site/img/./"], {"logo.png": b"png"}),
        (["-r", "mayhem://h/site/img/.", "a.txt", "dd"], {"dd/logo.png": b"png", "dd/a.txt": b"one"}),
        (["-r", "mayhem://h/.", "all"], {f"all/{name}": content for name, content in FILES.items()}),
        (["-r", "mayhem://h/s*/.", "dd"], {"dd/index.html": b"<html>", "dd/img/logo.png": b"png"}),
        (["-r", "mayhem://h/s*"], {"site/index.html": b"<html>", "site/img/logo.png": b"png"}),
    ],
)  # fmt: skip
def test_files_land_where_cp_would_put_them(
    shell: Shell, tmp_path: Path, arguments: list[str], expected: dict[str, bytes]
):
    shell.environ["MAYHEM_URL"] = "mayhem://h"
    assert shell("get", *arguments) == 0
    assert landed(tmp_path) == expected


def test_a_folder_that_exists_is_gone_into_by_files(shell: Shell, tmp_path: Path):
    (tmp_path / "dir").mkdir()
    assert shell("get", "mayhem://h/a.txt", "dir") == 0
    assert shell("get", "-r", "mayhem://h/b.txt", "dir") == 0
    assert landed(tmp_path) == {"dir/a.txt": b"one", "dir/b.txt": b"two"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mayhem://h/site", "www"], {"www/index.html", "www/img/logo.png"}),
        (["mayhem://h/site", "www/"], {"www/site/index.html", "www/site/img/logo.png"}),
        (["mayhem://h/s*", "www"], {"www/index.html", "www/img/logo.png"}),
        (["mayhem://h/site", "a.txt", "www"], {"www/a.txt", "www/site/index.html", "www/site/img/logo.png"}),
        (["mayhem://h/"], set(FILES)),
        (["mayhem://h/", "all"], {f"all/{name}" for name in FILES}),
        (["mayhem://h/site"], {"site/index.html", "site/img/logo.png"}),
    ],
)  # fmt: skip
def test_a_folder_that_is_fetched_again_lands_where_it_did_the_first_time(
    shell: Shell, tmp_path: Path, arguments: list[str], expected: set[str]
):
    shell.environ["MAYHEM_URL"] = "mayhem://h"
    for _ in range(2):
        assert shell("get", "-r", *arguments) == 0
        assert set(landed(tmp_path)) == expected


def test_plain_names_are_on_the_default_server(shell: Shell, tmp_path: Path):
    shell.environ["MAYHEM_URL"] = "mayhem://h:7000/site/"
    assert shell("get", "index.html", "mayhem:///a.txt", ".") == 0
    assert landed(tmp_path) == {"index.html": b"<html>", "a.txt": b"one"}


def test_standard_output_gets_the_bytes_and_nothing_else(shell: Shell):
    shell.server.files["raw"] = b"\x00\xff\n"
    assert shell("get", "mayhem://h/raw", "-") == 0
    assert shell.raw_out == b"\x00\xff\n"
    assert "raw: 3 B" in shell.err


def test_only_one_file_goes_to_standard_output(shell: Shell):
    assert shell("get", "mayhem://h/a.txt", "mayhem://h/b.txt", "-") == 2
    assert shell("get", "mayhem://h/", "-") == 2


def test_what_is_missing_fails_alone_with_exit_5(shell: Shell, tmp_path: Path):
    assert shell("get", "mayhem://h/none", "mayhem://h/a.txt", ".") == 5
    assert landed(tmp_path) == {"a.txt": b"one"}
    assert shell.err.splitlines()[0] == "mayhem: there is no none; next: see with mayhem ls"


def test_a_pattern_that_matches_nothing_says_so(shell: Shell):
    assert shell("get", "mayhem://h/*.pdf") == 5
    assert "there is no *.pdf" in shell.err


def test_folders_without_files_are_a_failure_where_nothing_else_is_fetched(shell: Shell, tmp_path: Path):
    assert shell("get", "mayhem://h/s*") == 5
    assert shell.err == (
        "mayhem: site is a folder, left out (-r takes it)\n"
        "mayhem: there is no file to fetch; next: see with mayhem ls -r\n"
    )


def test_a_name_that_looks_like_a_pattern_can_be_had(shell: Shell, tmp_path: Path):
    shell.server.files["a[1].txt"] = b"odd"
    assert shell("get", "mayhem://h/a[1].txt") == 0
    assert landed(tmp_path) == {"a[1].txt": b"odd"}


def test_folders_need_r(shell: Shell, tmp_path: Path):
    assert shell("get", "mayhem://h/site/") == 2
    assert "use -r" in shell.err
    assert shell("get", "mayhem://h/*") == 0
    assert landed(tmp_path) == {"a.txt": b"one", "b.txt": b"two"}
    assert shell.err.splitlines()[0] == "mayhem: site is a folder, left out (-r takes it)"


def test_only_folders_have_contents(shell: Shell, tmp_path: Path):
    assert shell("get", "-r", "mayhem://h/a.txt/.", "dd") == 2
    assert shell.err == "mayhem: a.txt is a file, and has no contents; next: leave the /. out\n"
    assert shell("get", "mayhem://h/site/.", "dd") == 2
    assert "use -r to fetch it with its contents" in shell.err
    assert landed(tmp_path) == {}


def test_contents_of_two_folders_never_land_in_one_place(shell: Shell, tmp_path: Path):
    shell.server.files |= {"ca/x": b"1", "cb/x": b"2"}
    assert shell("get", "-r", "mayhem://h/ca/.", "mayhem://h/cb/.", "dd") == 2
    assert "ca/x and cb/x would both become dd/x" in shell.err


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (["mayhem://h/a", "mayhem://h/old/a"], "a and old/a would both become a"),
        (["mayhem://h/a", "mayhem://i/a"], "the URLs name several servers"),
    ],
)
def test_a_url_where_the_target_should_be_is_told_to_be_none(shell: Shell, urls: list[str], said: str):
    assert shell("get", *urls) == 2
    assert said in shell.err
    assert "the target of get is a path on this side, and no URL" in shell.err


def test_two_servers_in_one_command_are_refused(shell: Shell):
    assert shell("get", "mayhem://h/a.txt", "mayhem://i/b.txt") == 2
    assert shell.server.log == []


def test_two_files_never_land_in_one_place(shell: Shell, tmp_path: Path):
    shell.server.files["site/a.txt"] = b"other"
    assert shell("get", "mayhem://h/a.txt", "mayhem://h/site/a.txt", ".") == 2
    assert landed(tmp_path) == {}


@pytest.mark.parametrize(
    "name",
    ["../evil", "site/../../evil", "/etc/evil", "site/\x1b[2Jevil", "site/a\u202etxt", "site/..", "a\0b"],
)
def test_a_server_does_not_choose_where_a_file_lands(shell: Shell, tmp_path: Path, name: str):
    shell.server.files = {name: b"evil"}
    outside = tmp_path.parent / "evil"
    for pattern in ("*", "*/*", "**"):
        assert shell("get", "-r", f"mayhem://h/{pattern}", "in") in (1, 5)
    assert shell("get", "-r", "mayhem://h/", "in") in (1, 2, 5)
    assert not outside.exists()
    assert landed(tmp_path) == {}
    assert "\x1b" not in shell.err
    assert "\u202e" not in shell.err


@pytest.mark.parametrize("recursive", [[], ["-r"]], ids=["files", "folders"])
@pytest.mark.parametrize("pattern", ["*.txt", "photos/*", "photos/**", "[ab].txt", "?.txt"])
def test_a_pattern_fetches_nothing_that_does_not_match_it(
    shell: Shell, tmp_path: Path, pattern: str, recursive: list[str]
):
    """The server answers with more than was asked for, as scp's could (CVE-2019-6111)."""
    shell.server.files = {".bashrc": b"evil", "deep/.ssh/authorized_keys": b"evil", "a.txt": b"bait"}
    shell.server.offers_everything = True
    assert shell("get", *recursive, f"mayhem://h/{pattern}", ".") == 1
    assert landed(tmp_path) == {}
    assert "do not trust this server" in shell.err
