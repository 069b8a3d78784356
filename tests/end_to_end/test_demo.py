"""`make demo`, as it is: a daemon, several clients at once, and a judge."""

import sys
from pathlib import Path

from demo.plan import SAMPLES

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_brings_every_file_back_whole_and_leaves_nothing_behind(town, tmp_path):
    places = tmp_path / "places"
    places.mkdir()
    demo = town.start("-m", "demo", program=sys.executable, folder=ROOT, environ={"TMPDIR": str(places)})
    told = demo.end().well().out
    for sample in SAMPLES:
        (row,) = (line for line in told.splitlines() if line.startswith(f" {sample.name}") and "…" in line)
        assert row.endswith("verified ")
        assert "100 %" in told
    assert "swallowed" in told
    assert "\x1b" not in told, "plain without a terminal"
    assert list(places.iterdir()) == []


def test_the_demo_fails_visibly_where_the_daemon_cannot_run(town):
    """The judge can say no: without a command to run there is nothing to verify."""
    broken = (
        "import sys, demo.cast; demo.cast.COMMAND = '/bin/false'; "
        "from demo.__main__ import main; sys.exit(main())"
    )
    ended = town.start("-c", broken, program=sys.executable, folder=ROOT).end()
    assert ended.code == 1
    assert "the daemon did not start" in ended.out
