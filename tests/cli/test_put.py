"""`mayhem put`, down to the library's door."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell_in_memory import MemoryServer, Shell, byte_stream

from mayhem_udp.cli.failures import Stopped
from mayhem_udp.errors import Code, RefusedError, TransferError, UnreachableError
from mayhem_udp.results import Phase, Progress
from mayhem_udp.units import SECOND


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a file, a folder in it, a link and a pipe."""
    site = tmp_path / "site"
    (site / "img").mkdir(parents=True)
    (site / "index.html").write_bytes(b"<html>")
    (site / "img" / "logo.png").write_bytes(b"png")
    (site / "link").symlink_to("index.html")
    os.mkfifo(site / "pipe")
    return site


def test_a_file_keeps_its_name_in_a_folder(shell: Shell, tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"one")
    assert shell("put", "a.txt", "mayhem://h/") == 0
    assert shell.server.files == {"a.txt": b"one"}
    assert shell.server.log == ["mayhem://h:5000/", "closed"]
    assert shell.out == (
        "a.txt: 3 B in 500.0 ms (48 bit/s), SHA-256 verified, 7 datagrams sent (1 retransmitted), "
        "5 received (2 corrupt)\n"
    )
    assert shell.err == ""


def test_several_files_go_into_a_folder_over_one_connection(shell: Shell, tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    assert shell("put", "a", "b", "mayhem://h/dir") == 0
    assert shell.server.files == {"dir/a": b"a", "dir/b": b"b"}
    assert shell.server.log.count("closed") == 1


def test_the_default_server_is_that_of_the_environment(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    shell.environ["MAYHEM_URL"] = "mayhem://[::1]:7000/in/"
    assert shell("put", "a") == 0
    assert shell.server.files == {"in/a": b"one"}
    assert shell.server.log[0] == "mayhem://[::1]:7000/"


def test_a_folder_goes_with_all_that_is_in_it_but_links_and_pipes(shell: Shell, tree: Path):
    assert shell("put", "-r", "site", "mayhem://h/") == 0
    assert shell.server.files == {"site/index.html": b"<html>", "site/img/logo.png": b"png"}
    assert shell.err == (
        "mayhem: site/link is a link, left out\nmayhem: site/pipe is no regular file, left out\n"
        "mayhem: 2 files, 9 B in 0 µs (0 bit/s)\n"
    )


@pytest.mark.parametrize("options", [["-r"], ["-r", "-q"]])
def test_a_folder_that_cannot_be_read_is_a_failure_and_the_others_go(
    shell: Shell, tree: Path, nobody: None, options: list[str]
):
    (Path("more") / "locked").mkdir(parents=True)
    (Path("more") / "a").write_bytes(b"one")
    (Path("more") / "locked").chmod(0)
    assert shell("put", *options, "more", "mayhem://h/") == 1
    assert shell.server.files == {"more/a": b"one"}
    assert shell.err == (
        "mayhem: more/locked: permission denied; next: choose another place, or ask for access\n"
    )


def test_an_empty_folder_is_left_out_with_a_word(shell: Shell, tmp_path: Path):
    (tmp_path / "site" / "empty").mkdir(parents=True)
    (tmp_path / "site" / "a").touch()
    assert shell("put", "-r", "site", "mayhem://h/") == 0
    assert set(shell.server.files) == {"site/a"}
    assert shell.err == "mayhem: site/empty is empty, left out\n"


def test_the_contents_of_a_folder_go_alone_with_a_dot(shell: Shell, tree: Path):
    assert shell("put", "-r", "site/.", "mayhem://h/") == 0
    assert set(shell.server.files) == {"index.html", "img/logo.png"}


@pytest.fixture
def halves(tmp_path: Path) -> None:
    """Two folders with different files in a folder of the same name."""
    for folder, name in (("ca", "one"), ("cb", "two")):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub" / name).write_bytes(name.encode())


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["ca/.", "cb/."], {"x/sub/one", "x/sub/two"}),
        (["ca/sub", "cb/sub"], {"x/sub/one", "x/sub/two"}),
        (["ca/.", "cb/sub"], {"x/sub/one", "x/sub/two"}),
        (["ca/.", "cb/sub/two"], {"x/sub/one", "x/two"}),
    ],
)
def test_folders_may_share_a_place_where_no_two_files_do(
    shell: Shell, halves: None, sources: list[str], names: set[str]
):
    assert shell("put", "-r", *sources, "mayhem://h/x/") == 0
    assert set(shell.server.files) == names


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["ca/.", "cb/."], "ca/sub/two and cb/sub/two would both become x/sub/two"),
        (["ca/.", "cb/sub"], "ca/sub/two and cb/sub/two would both become x/sub/two"),
        (["cb/sub/two", "ca/sub/."], "cb/sub/two and ca/sub/two would both become x/two"),
        (["ca", "cb/ca"], "cb/ca and ca would both become x/ca"),
    ],
)
def test_nothing_is_sent_when_files_of_two_folders_would_become_one(
    shell: Shell, halves: None, sources: list[str], message: str
):
    Path("ca/sub/two").touch()
    Path("cb/ca").touch()
    assert shell("put", "-r", *sources, "mayhem://h/x/") == 2
    assert shell.err == f"mayhem: {message}; next: send them apart, or into different folders\n"
    assert shell.server.log == []


@pytest.mark.parametrize("target", ["", "www", "www/"])
def test_a_folder_that_is_sent_again_goes_where_it_did_the_first_time(shell: Shell, tree: Path, target: str):
    assert shell("put", "-r", "site", f"mayhem://h/{target}") == 0
    first = dict(shell.server.files)
    assert shell("put", "-r", "site", f"mayhem://h/{target}") == 0
    assert shell.server.files == first


def test_a_folder_without_r_is_an_error_that_says_so(shell: Shell, tree: Path):
    assert shell("put", "site", "mayhem://h/") == 1
    assert shell.server.log == []
    assert shell.err == "mayhem: site is a folder; next: use -r to send it with its contents\n"


def test_a_missing_file_fails_alone(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    assert shell("put", "none", "a", "mayhem://h/") == 1
    assert shell.server.files == {"a": b"one"}
    assert shell.err == "mayhem: none: no such file or folder; next: check the spelling\n"


def test_nothing_is_sent_when_two_files_would_become_one(shell: Shell, tmp_path: Path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").touch()
    assert shell("put", "x/a", "y/a", "mayhem://h/") == 2
    assert shell.server.log == []


def test_standard_input_goes_under_the_name_of_the_url(shell: Shell):
    shell.stdin = byte_stream(b"\x00\xffpiped")
    assert shell("put", "-", "mayhem://h/a.bin") == 0
    assert shell.server.files == {"a.bin": b"\x00\xffpiped"}
    assert shell.err == ""


def cut_by(error: BaseException, *before: Phase) -> Iterator[Progress]:
    for phase in before:
        yield Progress(
            name="a", bytes_done=0, bytes_total=None, seconds=1, goodput_bps=0, loss=0, retransmitted=0, state=phase
        )  # fmt: skip
    raise error


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 1, "interrupted; next: {} cannot be resumed, begin anew"),
        (Stopped(signal.SIGTERM), 1, "stopped by SIGTERM; next: {} cannot be resumed, begin anew"),
        (
            UnreachableError("it is lost", code=Code.CONNECTION_LOST, remedy="look"),
            3,
            "it is lost; next: look; {} cannot be resumed, begin anew",
        ),
        (TransferError("it broke"), 1, "it broke; next: {} cannot be resumed, begin anew"),
        (UnreachableError("nobody is there", remedy="look"), 3, "nobody is there; next: look"),
        (RefusedError("no", remedy="ask"), 5, "no; next: ask"),
    ],
)
def test_a_stream_that_was_cut_is_not_said_to_go_on(shell: Shell, error: BaseException, code: int, line: str):
    shell.server.files["a.bin"] = b"x"
    shell.stdin = byte_stream(b"piped")
    for what, arguments in {
        "standard input": ("put", "-", "mayhem://h/a.bin"),
        "standard output": ("get", "mayhem://h/a.bin", "-"),
    }.items():
        shell.server.steps = cut_by(error)
        assert shell(*arguments) == code
        assert shell.err == f"mayhem: {line.format(what)}\n"


@pytest.mark.parametrize("option", ["-q", "--json", "--no-progress", "-v"])
def test_a_stream_that_had_begun_cannot_go_on_whatever_became_of_the_server(shell: Shell, option: str):
    shell.server.files["a.bin"] = b"x"
    gone = UnreachableError("nobody listens there", remedy="look")
    for what, under_way, arguments in (
        ("standard input", Phase.SENDING, ("put", option, "-", "mayhem://h/a.bin")),
        ("standard output", Phase.RECEIVING, ("get", option, "mayhem://h/a.bin", "-")),
    ):
        shell.stdin = byte_stream(b"piped")
        shell.server.steps = cut_by(gone, Phase.CONNECTING, under_way)
        assert shell(*arguments) == 3
        assert (
            shell.err == f"mayhem: nobody listens there; next: look; {what} cannot be resumed, begin anew\n"
        )
        shell.stdin = byte_stream(b"piped")
        shell.server.steps = cut_by(gone, Phase.CONNECTING)
        assert shell(*arguments) == 3
        assert shell.err == "mayhem: nobody listens there; next: look\n"


def test_standard_input_is_never_one_of_several(shell: Shell):
    assert shell("put", "-", "a", "mayhem://h/x/") == 2


def test_json_is_one_object_a_file_and_nothing_else(shell: Shell, tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    shell.is_watched = True
    assert shell("put", "--json", "a", "b", "mayhem://h/") == 0
    assert [json.loads(line)["name"] for line in shell.out.splitlines()] == ["a", "b"]
    assert shell.err == ""


def test_quiet_is_quiet(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    assert shell("put", "-q", "a", "mayhem://h/") == 0
    assert (shell.out, shell.err) == ("", "")


def test_options_become_settings(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    options = "--chunk-size 1024 --rate 20M --cc cubic --timeout 2.5 --retry 0 --mayhem wifi,seed=7"
    assert shell("put", *options.split(), "--set", "client.parallel=3", "a", "mayhem://h/") == 0
    settings = shell.server.settings
    assert settings is not None
    assert settings.transport.chunk_size_bytes == 1024
    assert (settings.congestion.controller, settings.congestion.rate_cap_bps) == ("cubic", 20_000_000)
    assert (settings.client.timeout_ns, settings.client.retry_ns) == (2_500_000_000, 0)
    assert settings.mayhem.text == "wifi,seed=7"
    assert settings.client.parallel == 3


def test_the_environment_is_beaten_by_an_option_and_beats_the_file(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "my.toml").write_text("[client]\ntimeout = 1\nretry = 2\nparallel = 3\n")
    shell.environ |= {"MAYHEM_CLIENT__TIMEOUT": "4", "MAYHEM_CLIENT__RETRY": "5"}
    assert shell("put", "--config", "my.toml", "--timeout", "6", "a", "mayhem://h/") == 0
    assert shell.server.settings is not None
    client = shell.server.settings.client
    assert (client.timeout_ns, client.retry_ns, client.parallel) == (6 * SECOND, 5 * SECOND, 3)


def test_a_server_that_is_not_there_is_exit_3(shell: Shell, server: MemoryServer, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    server.unreachable = True
    assert shell("put", "a", "mayhem://h/") == 3
    assert shell.err == "mayhem: no answer in 10 s; next: is the server running?\n"


def test_a_log_is_only_made_for_those_who_ask(shell: Shell, tmp_path: Path):
    (tmp_path / "a").write_bytes(b"one")
    assert shell("put", "a", "mayhem://h/") == 0
    assert "log" not in shell.server.arguments
    assert shell("put", "-v", "a", "mayhem://h/") == 0
    shell.server.arguments["log"].info("hello")
