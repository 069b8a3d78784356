"""Standard streams that are closed, down to the library's door."""

from pathlib import Path

import pytest
from shell_in_memory import Shell

from mayhem_udp.cli.streams import ClosedInput, ClosedOutput
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
