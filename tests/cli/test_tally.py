"""Many files as one piece of work: what is counted, and what is said of it."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from shell_in_memory import Shell, Terminal, result

from mayhem_udp.cli.render import words
from mayhem_udp.cli.render.bar import BarOutput
from mayhem_udp.cli.render.plain import LineOutput
from mayhem_udp.cli.render.tally import Tally
from mayhem_udp.cli.tree import count_below
from mayhem_udp.errors import RefusedError
from mayhem_udp.results import Phase, Progress, TransferFailure
from mayhem_udp.units import SECOND


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1.0

    def __call__(self) -> int:
        return round(self.now_s * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tally(clock: Clock) -> Tally:
    return Tally(clock_ns=clock, files_total=2_000)


def pack(
    seconds: float, *, first: str = "a", files_done: int = 0, done: int = 0, state: Phase = Phase.SENDING
) -> Progress:
    return Progress(
        name=f"1024 small files from {first}",
        bytes_done=done,
        bytes_total=None,
        seconds=seconds,
        goodput_bps=8 * done / seconds,
        loss=0.0,
        retransmitted=0,
        state=state,
        files=1_024,
        files_done=files_done,
    )


# --- Sums -------------------------------------------------------------------------------------------


def test_files_of_requests_that_are_under_way_are_counted(tally: Tally, clock: Clock):
    tally.follow(pack(4, first="a", files_done=512, done=500_000))
    tally.follow(pack(4, first="b", files_done=100, done=500_000))
    tally.arrived(result("c", bytes(1_000_000)))
    clock.now_s += 4
    assert words.sum_line(tally) == "613 of 2,000 files: 1.9 MiB, 4.0 Mbit/s"


def test_what_was_shown_never_goes_back(tally: Tally):
    tally.follow(pack(4, files_done=512, done=500_000))
    assert (tally.files, tally.bytes) == (512, 500_000)
    tally.follow(pack(4, state=Phase.RETRYING))
    tally.follow(pack(5, state=Phase.DONE))
    assert (tally.files, tally.bytes) == (512, 500_000)
    for number in range(600):
        tally.arrived(result(str(number), bytes(1_000)))
    assert (tally.files, tally.bytes) == (600, 600_000)


def test_what_was_there_before_has_not_crossed(tally: Tally, clock: Clock):
    tally.arrived(replace(result("a", bytes(1_000_000)), resumed_bytes=500_000))
    tally.arrived(result("b", bytes(500_000)))
    clock.now_s += 2
    assert words.sum_closing(tally) == "2 of 2,000 files, 1.4 MiB in 2.00 s (4.0 Mbit/s)"


@pytest.mark.parametrize(
    ("files_total", "missed", "line"),
    [
        (3, 0, "3 files, 3 B in 1.00 s (24 bit/s)"),
        (None, 0, "3 files, 3 B in 1.00 s (24 bit/s)"),
        (5, 2, "3 of 5 files, 3 B in 1.00 s (24 bit/s), 2 failed"),
        (None, 1, "3 of 4 files, 3 B in 1.00 s (24 bit/s), 1 failed"),
        (2, 0, "3 files, 3 B in 1.00 s (24 bit/s)"),
    ],
)
def test_the_last_line_is_the_sum_of_all(clock: Clock, files_total: int | None, missed: int, line: str):
    tally = Tally(clock_ns=clock, files_total=files_total)
    for name in "abc":
        tally.arrived(result(name, b"x"))
    for _ in range(missed):
        tally.missed()
    clock.now_s += 1
    assert words.sum_closing(tally) == line


def test_where_nobody_knows_how_many_there_are_none_are_promised(clock: Clock):
    assert words.sum_line(Tally(clock_ns=clock, files_total=None)) == "0 files: 0 B, 0 bit/s"


# --- Lines and bars ---------------------------------------------------------------------------------


def test_lines_of_many_files_come_now_and_then_and_go_forward(tally: Tally, clock: Clock):
    notes = io.StringIO()
    with LineOutput(io.StringIO(), notes, interval_ns=5 * SECOND) as output:
        output.expect(tally)
        for tenths in range(1, 121):
            clock.now_s = 1 + tenths / 10
            for first in ("a", "b"):
                output.progress(pack(tenths / 10, first=first, files_done=8 * tenths, done=12_500 * tenths))
        output.outcome(result("a", b"x"))
        output.outcome(TransferFailure(name="b", error=RefusedError("no")))
    assert notes.getvalue().splitlines() == [
        "792 of 2,000 files: 1.2 MiB, 2.0 Mbit/s",
        "1,592 of 2,000 files: 2.4 MiB, 2.0 Mbit/s",
        "mayhem: b: no",
        "mayhem: 1,921 of 2,000 files, 2.9 MiB in 12.00 s (2.0 Mbit/s), 1 failed",
    ]


def test_what_was_cut_is_told_as_far_as_it_was_seen(tally: Tally, clock: Clock):
    tally.follow(pack(4, files_done=512, done=500_000))
    clock.now_s += 4
    assert words.sum_line(tally) == "512 of 2,000 files: 488.3 KiB, 1.0 Mbit/s"
    tally.follow(pack(4, files_done=512, done=500_000, state=Phase.DONE))
    assert words.sum_closing(tally) == "512 of 2,000 files, 488.3 KiB in 4.00 s (1.0 Mbit/s)"


def test_what_has_crossed_of_a_file_that_failed_is_no_part_of_the_sum(clock: Clock):
    tally = Tally(clock_ns=clock, files_total=2)
    tally.follow(replace(pack(1, done=500_000), name="b", files=1))
    assert tally.bytes == 500_000
    tally.follow(replace(pack(1, done=500_000, state=Phase.DONE), name="b", files=1))
    tally.missed()
    tally.arrived(result("a", b"x"))
    clock.now_s += 1
    assert words.sum_closing(tally) == "1 of 2 files, 1 B in 1.00 s (8 bit/s), 1 failed"


def test_a_server_that_many_requests_have_lost_is_told_once(tally: Tally):
    notes = io.StringIO()
    output = LineOutput(io.StringIO(), notes, interval_ns=5 * SECOND)
    output.expect(tally)
    for state in (Phase.SENDING, Phase.RETRYING, Phase.CONNECTING, Phase.RETRYING):
        for first in "abc":
            output.progress(pack(1, first=first, state=state))
    assert notes.getvalue() == "small files: the server does not answer, trying again\n"
    for state in (Phase.SENDING, Phase.RETRYING):
        for first in "abc":
            output.progress(pack(1, first=first, state=state))
    assert len(notes.getvalue().splitlines()) == 2


def test_many_small_files_have_one_bar(tally: Tally, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    with BarOutput(screen, screen) as output:
        output.expect(tally)
        clock.now_s += 2
        output.progress(pack(2, first="a", files_done=10, done=500_000))
        output.progress(pack(2, first="b", files_done=20, done=500_000))
    shown = screen.getvalue()
    assert "30 of 2,000 files" in shown
    assert "4.0 Mbit/s" in shown
    assert "small files" not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_a_file_that_travelled_with_others_is_not_said_to_have_taken_their_time():
    together = replace(result("a", b"xy"), together=1_024, seconds=8.77, path=Path("b"))
    assert words.transferred(together) == (
        "a -> b: 2 B, SHA-256 verified, one of 1,024 that took 8.77 s together"
    )
    assert "together" not in together.as_dict()


# --- Commands ---------------------------------------------------------------------------------------


@pytest.fixture
def many(shell: Shell, tmp_path: Path) -> Shell:
    """A shell with three files in a folder, here and on the server."""
    (tmp_path / "many" / "deep").mkdir(parents=True)
    for name in ("many/a", "many/b", "many/deep/c"):
        (tmp_path / name).write_bytes(b"xyz")
        shell.server.files[name] = b"xyz"
    return shell


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (["put", "-r", "many", "mayhem://h/"], "mayhem: 3 files, 9 B in 0 µs (0 bit/s)"),
        (["put", "many/a", "none", "many/b", "mayhem://h/"], "mayhem: 2 files, 6 B in 0 µs (0 bit/s)"),
        (["get", "-r", "mayhem://h/many", "back"], "mayhem: 3 files, 9 B in 0 µs (0 bit/s)"),
        (["get", "mayhem://h/many/a", "mayhem://h/none", "."],
         "mayhem: 1 of 2 files, 3 B in 0 µs (0 bit/s), 1 failed"),
        (["rm", "mayhem://h/many/**"], "mayhem: 3 files removed in 0 µs"),
        (["rm", "mayhem://h/many/a", "mayhem://h/none"], "mayhem: 1 of 2 files removed in 0 µs, 1 failed"),
    ],
)  # fmt: skip
def test_many_files_end_with_a_sum(many: Shell, arguments: list[str], last: str):
    many(*arguments)
    assert many.err.splitlines()[-1] == last
    many.server.files |= {"many/a": b"xyz", "many/b": b"xyz", "many/deep/c": b"xyz"}
    for option in ("-q", "--json"):
        many(*arguments, option)
        assert "files" not in many.err


@pytest.mark.parametrize(
    "arguments",
    [["put", "many/a", "mayhem://h/"], ["get", "mayhem://h/many/a"], ["rm", "mayhem://h/many/a"]],
)
def test_one_file_has_no_sum(many: Shell, arguments: list[str]):
    assert many(*arguments) == 0
    assert many.err == ""


def test_removing_tells_how_far_it_is(many: Shell):
    clock = Clock()

    def later() -> int:
        clock.now_s += 3
        return clock()

    many.clock_ns = later
    for watched in (False, True):
        many.is_watched = watched
        many.server.files = {f"a{number}": b"" for number in range(4)}
        assert many("rm", "--set", "logging.progress_interval=5", "mayhem://h/a*") == 0
        assert many.err.splitlines()[0] == "2 of 4 files removed"
        assert re.fullmatch(r"mayhem: 4 files removed in \d+\.\d\d s", many.err.splitlines()[-1])


def test_neighbours_on_one_server_are_removed_over_one_connection(many: Shell):
    assert many("rm", "mayhem://h/many/a", "mayhem://h/many/b", "mayhem://i/many/deep/c") == 0
    assert many.server.log == ["mayhem://h:5000/", "closed", "mayhem://i:5000/", "closed"]
    assert many.server.files == {}


def test_files_are_counted_as_they_are_sent(many: Shell):
    Path("many/link").symlink_to("a")
    assert count_below([Path("many")], at_most=3) == 3
    assert count_below([Path("many"), Path("many/deep"), Path("none")], at_most=10) == 4
    assert count_below([Path("many")], at_most=2) is None
