"""Standard streams that are closed, down to the library's door."""

import io
from pathlib import Path

import pytest
from shell_in_memory import Shell

from mayhem_udp.cli.streams import ClosedInput, ClosedOutput
from mayhem_udp.errors import LocalFileError
from mayhem_udp.mayhem.link import LinkCounts
from mayhem_udp.mayhem.proxy import ProxyCounts


@pytest.fixture
def deaf(shell: Shell) -> Shell:
    """A shell whose standard output is closed."""
    shell.stdout = ClosedOutput
    Path("a").write_bytes(b"one")
    return shell


@pytest.mark.parametrize("options", [[], ["-q"], ["--json"], ["--set", "client.progress=bar"]])
def test_a_transfer_goes_well_where_nobody_wants_to_hear_of_it(deaf: Shell, options: list[str]):
    assert deaf("put", *options, "a", "mayhem://h/") == 0
    assert deaf("get", *options, "mayhem://h/a", "b") == 0
    assert deaf("echo", *options, "a", "mayhem://h/") == 0
    assert deaf("rm", *options, "mayhem://h/a") == 0
    assert deaf.err == ""
    assert Path("b").read_bytes() == b"one"
    assert deaf.server.files == {}


@pytest.mark.parametrize(
    "arguments", [["ls", "mayhem://h/"], ["stat", "mayhem://h/a"], ["ping", "mayhem://h"]]
)
@pytest.mark.parametrize("options", [[], ["-q"], ["--json"]])
def test_an_answer_that_nobody_can_hear_is_a_failure(deaf: Shell, arguments: list[str], options: list[str]):
    deaf.server.files["a"] = b"one"
    assert deaf(*arguments, *options) == 1
    assert deaf.err.startswith("mayhem: standard output is closed, and what was asked for goes there; next: ")


def test_nothing_is_fetched_for_an_output_that_is_closed(deaf: Shell):
    assert deaf("get", "mayhem://h/a", "-") == 1
    assert deaf.err.startswith("mayhem: standard output is closed, and what was asked for goes there; next: ")
    assert "resumed" not in deaf.err
    assert deaf.server.log == []


class Gone(io.TextIOWrapper):
    """Standard output whose reader goes away after the first line."""

    error: Exception = BrokenPipeError()

    def __init__(self) -> None:
        super().__init__(io.BytesIO())
        self.writes = 0

    def write(self, text: str, /) -> int:
        self.writes += 1
        if self.writes > 1:
            raise self.error
        return super().write(text)


class Full(Gone):
    """Standard output with room for the first line."""

    error = LocalFileError(
        "the output could not be written: no space left", remedy="send it elsewhere, then ..."
    )


FULL = (
    "mayhem: the output could not be written: no space left; next: send it elsewhere; "
    "what is asked for is done all the same\n"
)


@pytest.mark.parametrize(("output", "said"), [(Gone, ""), (Full, FULL)])
@pytest.mark.parametrize("options", [["--no-progress"], ["--json"]])
def test_transfers_go_on_where_they_cannot_be_told_of_any_more(
    shell: Shell, output: type[Gone], said: str, options: list[str]
):
    shell.stdout = output
    names = [f"m{number}" for number in range(5)]
    for name in names:
        Path(name).write_bytes(b"one")
    assert shell("put", *options, *names, "mayhem://h/in/") == 1
    assert set(shell.server.files) == {f"in/{name}" for name in names}
    assert [line for line in shell.err.splitlines(keepends=True) if "5 files" not in line] == said.splitlines(
        keepends=True
    )
    assert len(shell.raw_out.splitlines()) == 1
    assert shell("get", *options, "mayhem://h/in/*", "out/") == 1
    assert {each.name for each in Path("out").iterdir()} == set(names)
    assert shell("echo", *options, *names, "mayhem://h/") == 1
    assert all(Path(f"received_{name}").exists() for name in names)
    options = [option for option in options if option == "--json"]
    assert shell("rm", *options, "mayhem://h/in/*") == 1
    assert shell.server.files == {}


def test_a_worse_failure_than_that_of_the_output_is_told_as_well(shell: Shell):
    shell.stdout = Full
    for name in ("a", "b"):
        Path(name).write_bytes(b"one")
    assert shell("put", "a", "none", "b", "mayhem://h/") == 1
    assert "none: no such file" in shell.err
    assert FULL in shell.err
    assert set(shell.server.files) == {"a", "b"}


def test_the_proxy_ends_well_where_nobody_wants_its_table(deaf: Shell):
    def run_proxy(*_: object, on_counts, **__: object) -> int:
        on_counts(ProxyCounts(1, 2, 0, LinkCounts(), LinkCounts()))
        return 0

    deaf.run_proxy = run_proxy
    assert deaf("proxy", "--listen", ":0", "--to", "h") == 0
    assert deaf("proxy", "--listen", ":0", "--to", "h", "--json") == 1


def test_standard_input_that_is_closed_is_told_before_anything_is_sent(shell: Shell):
    shell.stdin = ClosedInput()
    assert shell("put", "-", "mayhem://h/x") == 1
    assert shell.err == (
        "mayhem: standard input is closed, there is nothing to read; "
        "next: give it something, as in `... < FILE`\n"
    )
    assert shell.server.log == []
    assert shell("echo", "mayhem://h/") == 2
    assert "there is no file to send" in shell.err
