"""Results and progress: in words, in lines, in JSON, as bars."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from shell_in_memory import Terminal, result

from mayhem_udp.cli.render import words
from mayhem_udp.cli.render.bar import BARS_MAX, BarOutput
from mayhem_udp.cli.render.plain import JsonOutput, LineOutput, QuietOutput
from mayhem_udp.errors import IntegrityError, RefusedError
from mayhem_udp.results import Entry, EntryKind, Phase, Progress, TransferFailure
from mayhem_udp.units import SECOND

CURSOR_UP = "\x1b[1A"
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def step(
    seconds: float,
    *,
    name: str = "a.bin",
    done: int = 500_000,
    total: int | None = 1_000_000,
    goodput: float = 2e6,
    state: Phase = Phase.SENDING,
) -> Progress:
    return Progress(
        name=name,
        bytes_done=done,
        bytes_total=total,
        seconds=seconds,
        goodput_bps=goodput,
        loss=0.013,
        retransmitted=45,
        state=state,
    )


# --- Words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (
            step(1),
            "a.bin: 50 %, 488.3 KiB of 976.6 KiB, 2.0 Mbit/s, 2.00 s left, loss 1.3 %, 45 retransmitted",
        ),
        (step(1, total=None), "a.bin: 488.3 KiB, 2.0 Mbit/s, loss 1.3 %, 45 retransmitted"),
        (step(1, total=0, done=0), "a.bin: 0 B, 2.0 Mbit/s, loss 1.3 %, 45 retransmitted"),
        (step(0, goodput=0), "a.bin: 50 %, 488.3 KiB of 976.6 KiB, 0 bit/s, loss 1.3 %, 45 retransmitted"),
        (step(1, state=Phase.RETRYING), "a.bin: the server does not answer, trying again"),
        (step(1, name="\x1b[1m", state=Phase.VERIFYING), "\\x1b[1m: verifying"),
    ],
)
def test_progress_in_words(progress: Progress, line: str):
    assert words.progress_line(progress) == line


def test_a_time_that_no_calendar_has_is_shown_as_unknown():
    for mtime_ns in (1 << 80, -(1 << 80)):
        entry = Entry(name="a", bytes=1, mtime_ns=mtime_ns, kind=EntryKind.FILE)
        assert words.entry_line(entry) == f"{'1 B':>10}  {'?':<19}  a"


def test_what_was_there_already_is_said_where_some_was():
    assert "there already" not in words.transferred(result("a", b"xy"))
    told = words.transferred(replace(result("a", b"xy"), resumed_bytes=1))
    assert told.startswith("a: 2 B in 500.0 ms (32 bit/s, 1 B of it were there already), SHA-256")


def test_a_file_that_was_not_verified_is_never_said_to_be():
    assert "SHA-256 NOT verified" in words.transferred(result("a", b"", verified=False))


# --- Lines ------------------------------------------------------------------------------------------


def lines(*steps: Progress, interval_ns: int = 5 * SECOND) -> list[str]:
    notes = io.StringIO()
    with LineOutput(io.StringIO(), notes, interval_ns=interval_ns) as output:
        for each in steps:
            output.progress(each)
    return notes.getvalue().splitlines()


def test_a_line_of_progress_comes_now_and_then():
    assert len(lines(*(step(tenths / 10) for tenths in range(161)))) == 3


def test_each_file_has_its_own_pace():
    assert len(lines(step(6), step(6, name="b.bin"), step(7))) == 2


def test_a_lost_server_is_told_at_once_and_once():
    steps = [step(1), step(1.1, state=Phase.RETRYING), step(1.2, state=Phase.RETRYING), step(1.3)]
    assert lines(*steps) == ["a.bin: the server does not answer, trying again"]


def test_a_server_that_stays_away_is_not_told_at_every_try():
    tries = [step(1), *(step(1.1, state=state) for state in (Phase.RETRYING, Phase.CONNECTING) * 5)]
    lost_again = [step(1.2), step(1.3, state=Phase.RETRYING)]
    assert lines(*tries) == ["a.bin: the server does not answer, trying again"]
    assert len(lines(*tries, *lost_again)) == 2


def test_no_progress_is_none_at_all():
    assert lines(step(100), step(200, state=Phase.RETRYING), interval_ns=0) == []


def test_failures_add_up_to_the_first_exit_code():
    for kind in (LineOutput, QuietOutput, JsonOutput, BarOutput):
        more = {"interval_ns": 0} if kind is LineOutput else {}
        results, notes = io.StringIO(), io.StringIO()
        output = kind(results, notes, **more)
        output.outcome(TransferFailure(name="a", error=IntegrityError("damaged")))
        output.outcome(TransferFailure(name="b", error=RefusedError("refused")))
        assert output.exit_code == 4
        assert notes.getvalue() == "mayhem: a: damaged\nmayhem: b: refused\n"
        assert results.getvalue() == ""


def test_json_is_safe_on_a_terminal():
    results = io.StringIO()
    JsonOutput(results, io.StringIO()).transferred(result("\x1b[2J\u202e", b"", path=Path("x\x07")))
    assert results.getvalue()[:-1].isprintable()
    assert json.loads(results.getvalue())["name"] == "\x1b[2J\u202e"


# --- Bars -------------------------------------------------------------------------------------------


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_bar_tells_speed_time_left_loss_and_retransmissions(screen: Terminal):
    with BarOutput(screen, screen) as output:
        output.progress(step(1))
        output.progress(step(2, done=750_000))
    assert "a.bin" in screen.getvalue()
    assert "732.4/976.6 KiB" in screen.getvalue()
    assert "2.0 Mbit/s, 1.00 s left" in screen.getvalue()
    assert "loss 1.3 %, 45 retransmitted" in screen.getvalue()


@pytest.mark.parametrize("columns", [40, 80, 99, 100, 120, 160])
@pytest.mark.parametrize(
    "drawn",
    [
        step(3, name="a-rather-long-name-of-a-file.tar.gz", total=5 << 30, done=1 << 30, goodput=923.4e6),
        step(3, name="日本語のとても長いファイルの名前です.txt", total=999 << 20, goodput=1e5),
        step(3, name="a.bin", state=Phase.RETRYING),
        step(3, name="-", total=None),
    ],
    ids=["long", "wide letters", "lost", "no end"],
)
def test_a_bar_is_one_line_however_narrow_the_terminal(
    screen: Terminal, monkeypatch: pytest.MonkeyPatch, columns: int, drawn: Progress
):
    monkeypatch.setenv("COLUMNS", str(columns))
    with BarOutput(screen, screen) as output:
        output.progress(drawn)
        output.note("next")
        output.note("next")
        shown = screen.getvalue()
    assert CURSOR_UP not in shown  # what redraws a second line
    lines = [CONTROLS.sub("", line) for line in re.split("[\r\n]+", shown)]
    assert max(cell_len(line) for line in lines) <= columns
    assert ("loss 1.3 %" in shown) == (columns >= 100)


@pytest.mark.parametrize("is_piped", [False, True])
def test_a_bar_is_gone_before_the_result_is_told(screen: Terminal, is_piped: bool):
    line = words.transferred(result("a.bin", b"x"))

    class Results(Terminal):
        def isatty(self) -> bool:
            return not is_piped

        def write(self, text: str) -> int:
            return screen.write(text)

    with BarOutput(Results(), screen) as output:
        output.progress(step(1))
        output.transferred(result("a.bin", b"x"))
        before, told, after = screen.getvalue().partition(line)
    assert told
    assert CONTROLS.sub("", before.rpartition("\x1b[2K")[2]) == "\r"  # nothing since the line was cleared
    assert "a.bin" not in CONTROLS.sub("", after)


def test_a_short_transfer_gets_no_bar(screen: Terminal):
    with BarOutput(screen, screen) as output:
        output.progress(step(0.1))
        output.progress(step(0.2, state=Phase.DONE))
        output.transferred(result("a.bin", b"x"))
    assert screen.getvalue() == words.transferred(result("a.bin", b"x")) + "\n"


def test_a_finished_file_leaves_a_line_above_the_bars(screen: Terminal):
    with BarOutput(screen, screen) as output:
        output.progress(step(1))
        output.progress(step(1, name="b.bin"))
        output.transferred(result("a.bin", b"x"))
        output.note("a word")
    assert words.transferred(result("a.bin", b"x")) in screen.getvalue()
    assert "mayhem: a word" in screen.getvalue()


def test_results_go_to_a_file_even_while_bars_are_drawn(screen: Terminal):
    results = io.StringIO()
    with BarOutput(results, screen) as output:
        output.progress(step(1))
        output.transferred(result("a.bin", b"x"))
    assert results.getvalue() == words.transferred(result("a.bin", b"x")) + "\n"


def test_names_are_no_markup_and_no_escapes(screen: Terminal):
    name = "[red]\x1b[2J[/red]"
    with BarOutput(screen, screen) as output:
        output.progress(step(1, name=name))
        output.transferred(result(name, b"x"))
    assert "[red]\\x1b[2J[/red]" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


def test_many_files_at_once_do_not_fill_the_screen(screen: Terminal):
    with BarOutput(screen, screen) as output:
        for number in range(50):
            output.progress(step(1, name=f"file-{number:02}"))
    assert f"file-{BARS_MAX - 1:02}" in screen.getvalue()
    assert f"file-{BARS_MAX:02}" not in screen.getvalue()
