"""The goodput table: what each course and each party has measured, kept in `goodput.toml`, so that a change is a diff.

When a change is meant: `python tests/transport/congestion/test_goodput.py` writes the table anew; read
the diff before it is committed. The targets are those of the courses; where one is missed, the table says by how much.
"""

import sys
import tomllib
from pathlib import Path

import pytest
from courses import COURSES, PARTIES, jain, run_alone, run_together

TABLE = Path(__file__).with_name("goodput.toml")
SHARE_STEP = 0.02
"""Less of a difference is none: libraries and machines may round otherwise."""
SEEDS = (1, 2)
QUEUES_OF_OTHERS = {"rate 5 to 100 Mbit/s every 4 s", "busy hosts, 5 Gbit/s, 0.2 ms"}
"""Where a round trip of queue is not our own: the rate has fallen to a twentieth, or a program does not run."""
HEAD = """\
# Written by test_goodput.py, which compares it. Shares of what the link could carry; beyond 1 where loss comes
# before the bottleneck and the link is kept full all the same. `queue`: 95 % of the datagrams waited for less,
# in round trips. `lost`: the part of what was sent that the full queue dropped. `jain`, `shares`
# and `lost` of several flows: the worst of two seeds.
"""


def alone(name):
    result = run_alone(COURSES[name])
    return {
        "share": round(result.share, 3),
        "queue": round(result.queue, 2),
        "lost": round(result.lost, 4),
        "target": COURSES[name].share,
    }


def together(name):
    runs = [run_together(PARTIES[name], seed=seed) for seed in SEEDS]
    worst = min((run.shares for run in runs), key=jain)
    return {
        "jain": round(jain(worst), 3),
        "shares": [round(share, 3) for share in worst],
        "least": round(min(min(run.shares) for run in runs), 3),
        "lost": round(max(run.lost for run in runs), 4),
    }


def remembered():
    return tomllib.loads(TABLE.read_text("utf-8"))


@pytest.mark.parametrize("name", COURSES)
def test_a_course_is_run_as_it_is_remembered(name):
    now, then = alone(name), remembered()["alone"][name]
    assert now["share"] >= COURSES[name].share, f"under its target: {now}"
    assert now["queue"] <= 1 or name in QUEUES_OF_OTHERS, f"more than a round trip of queue: {now}"
    assert now["share"] == pytest.approx(then["share"], abs=SHARE_STEP), f"{now} instead of {then}: {__doc__}"
    assert now["queue"] <= then["queue"] * 1.1 + 0.1, f"{now} instead of {then}: {__doc__}"
    assert now["lost"] <= then["lost"] + 0.01, f"{now} instead of {then}: {__doc__}"


@pytest.mark.parametrize("name", PARTIES)
def test_a_party_shares_as_it_is_remembered(name):
    now, then = together(name), remembered()["together"][name]
    assert now["least"] >= PARTIES[name].least, f"somebody starves: {now}"
    assert now["least"] == pytest.approx(then["least"], abs=SHARE_STEP), f"{now} instead of {then}: {__doc__}"
    assert now["jain"] == pytest.approx(then["jain"], abs=2 * SHARE_STEP), (
        f"{now} instead of {then}: {__doc__}"
    )
    assert now["lost"] <= then["lost"] + 0.01, f"{now} instead of {then}: {__doc__}"


def test_the_table_remembers_every_course_and_nothing_else():
    table = remembered()
    assert set(table["alone"]) == set(COURSES)
    assert set(table["together"]) == set(PARTIES)


def write():
    """The table as it is now."""
    lines = [HEAD]
    for kind, names, measure in (("alone", COURSES, alone), ("together", PARTIES, together)):
        lines.append(f"[{kind}]\n")
        for name in names:
            values = ", ".join(f"{key} = {value}" for key, value in measure(name).items())
            lines.append(f'"{name}" = {{ {values} }}\n')
    TABLE.write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    write()
    sys.exit(0)
