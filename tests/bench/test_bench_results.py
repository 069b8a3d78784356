"""Results, the choice of rows, targets and comparisons: what is judged, on figures made up here."""

import json
from io import StringIO

import pytest
from rich.console import Console

from bench import full, loopback, report, targets, wide_area
from bench.compare import changes, newly_failed
from bench.plan import Measurement, carry_out, chosen
from bench.runs import Results, Run, Spread
from bench.targets import State

ABOUT = {
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc",
    "seed": 1,
    "machine": {"cpu": "a cpu", "cores": 2, "memory_bytes": 2**33},
    "kernel": "6",
    "python": "3",
    "packages": {"numpy": "2"},
    "peers": {},
    "peers_missing": ["scp"],
    "load_before": 0.0,
}


def run_of(system="mayhem", *, seconds=1.0, table="wide_area", row="loss 10%", error="", **figures):
    return Run(
        table=table, row=row, system=system, seconds=seconds, bytes=125_000, figures=figures, error=error
    )


def loopback_run(system, seconds, *, error=""):
    return run_of(system, seconds=seconds, table="loopback", row=targets.GIGABYTE, error=error)


def verdict(results, *, table, row, words):
    found = [each for each in targets.targets() if (each.table, each.row) == (table, row)]
    (target,) = [each for each in found if words in each.words]
    return target.judge(results)


def against_rsync(*runs):
    words = "seconds of mayhem / rsync daemon"
    return verdict(Results(ABOUT, list(runs)), table="loopback", row=targets.GIGABYTE, words=words)


# --- Results ----------------------------------------------------------------------------------------


def test_results_survive_the_file(tmp_path):
    results = Results(ABOUT, path=tmp_path / "deep" / "results.json")
    results.add(run_of(share=0.5))
    assert Results.load(results.path).runs == results.runs
    assert json.loads(results.path.read_text())["runs"][0]["goodput_bps"] == 1e6


def test_a_spread_has_the_median_and_both_ends():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)


def test_failed_repeats_are_kept_out_of_medians_and_named():
    results = Results(ABOUT, [run_of(seconds=2.0), run_of(seconds=99.0, error="it broke")])
    assert results.spread("wide_area", "loss 10%", "mayhem", "seconds").median == 2.0
    assert results.errors("wide_area", "loss 10%", "mayhem") == ["it broke"]


# --- The plan ---------------------------------------------------------------------------------------


def measurement(name, log, *, row="a", is_peer=False):
    def run(_storage, seed):
        log.append((row, name, seed))
        return run_of(name)

    return Measurement(table="t", row=row, system=name, run=run, is_peer=is_peer)


def carry(plan, results, **more):
    return carry_out(
        plan, results, **{"repeat": 2, "peer_repeat": 2, "seed": 7, "on_run": lambda _run: None, **more}
    )


def test_systems_of_a_row_take_turns_before_the_next_row():
    log = []
    plan = [measurement("us", log), measurement("them", log), measurement("us", log, row="b")]
    carry(plan, Results(ABOUT))
    assert log == [
        ("a", "us", 7),
        ("a", "them", 7),
        ("a", "us", 8),
        ("a", "them", 8),
        ("b", "us", 7),
        ("b", "us", 8),
    ]


def test_a_plan_goes_on_where_it_was_cut():
    log = []
    results = Results(ABOUT)
    carry([measurement("us", log)], results, repeat=1)
    carry([measurement("us", log), measurement("them", log)], results)
    assert log == [("a", "us", 7), ("a", "them", 7), ("a", "us", 8), ("a", "them", 8)]


def test_peers_may_be_repeated_less():
    log = []
    carry([measurement("us", log), measurement("them", log, is_peer=True)], Results(ABOUT), peer_repeat=1)
    assert [name for _, name, _ in log] == ["us", "them", "us"]


def test_nothing_is_begun_after_the_time_and_what_was_left_out_is_named():
    log = []
    assert carry([measurement("us", log)], Results(ABOUT), repeat=1, until_s=0.0) == ["t.a, us"]
    assert log == []


def test_rows_are_chosen_by_how_their_names_begin():
    everything = [*wide_area.measurements(), *loopback.measurements()]
    found = {each.name for each in chosen(everything, only=["wide_area.loss 1"], systems=["mayhem"])}
    assert found == {"wide_area.loss 1%", "wide_area.loss 10%"}


def test_no_figure_is_carried_over_from_another_day_or_commit():
    assert full.same_run(ABOUT, dict(ABOUT, date="2026-01-02T23:00:00+00:00"))
    assert not full.same_run(ABOUT, dict(ABOUT, date="2026-01-03T03:04:05+00:00"))
    assert not full.same_run(ABOUT, dict(ABOUT, commit="abc-dirty"))


# --- Targets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "state"), [(0.59, State.MET), (0.61, State.MISSED)])
def test_a_ratio_is_held_against_its_limit(seconds, state):
    found = against_rsync(loopback_run("mayhem", seconds), loopback_run("rsync daemon", 1.0))
    assert (found.state, found.measured) == (state, pytest.approx(seconds))


def test_a_share_is_held_against_the_limit_of_its_row():
    for share, state in ((0.91, State.MET), (0.89, State.MISSED)):
        results = Results(ABOUT, [run_of(share=share)])
        assert verdict(results, table="wide_area", row="loss 10%", words="share").state is state


def test_what_was_not_run_is_never_met():
    assert all(target.judge(Results(ABOUT)).state is State.UNKNOWN for target in targets.targets())


def test_our_own_failure_misses_a_target_even_where_another_repeat_reached_it():
    found = against_rsync(
        loopback_run("mayhem", 0.1),
        loopback_run("mayhem", 0.1, error="cut"),
        loopback_run("rsync daemon", 1.0),
    )
    assert found.state is State.MISSED
    assert "cut" in found.why


def test_the_failure_of_a_peer_leaves_the_target_unknown():
    found = against_rsync(loopback_run("mayhem", 0.1), loopback_run("rsync daemon", 1.0, error="no port"))
    assert found.state is State.UNKNOWN
    assert "no port" in found.why


def test_cost_per_byte_is_compared_after_the_start_is_taken_off():
    def sized(row, cpu_s):
        return Run(table="sizes", row=row, system="mayhem", seconds=1.0, bytes=10**9, cpu_s=cpu_s)

    same = Results(ABOUT, [sized("next to nothing", 0.5), sized("10 MB", 3.5), sized("1 GB", 3.5)])
    assert verdict(same, table="sizes", row="10 MB", words="CPU").state is State.MET
    dear = Results(ABOUT, [sized("next to nothing", 0.5), sized("10 MB", 3.9), sized("1 GB", 3.5)])
    found = verdict(dear, table="sizes", row="10 MB", words="CPU")
    assert (found.state, found.measured) == (State.MISSED, pytest.approx(3.4 / 3.0))


def test_every_wide_area_row_has_a_target():
    rows = {target.row for target in targets.targets() if target.table == "wide_area"}
    assert rows == set(wide_area.ROWS)


# --- Reports and comparisons ------------------------------------------------------------------------


def test_a_report_names_what_failed_what_was_missed_and_what_is_not_installed():
    results = Results(
        ABOUT, [run_of(share=0.2), run_of("SRT file mode", error="no route"), run_of("UFTP", cut=1.0)]
    )
    stream = StringIO()
    missed = report.show(results, Console(file=stream, width=200), targets.of_tables({"wide_area"}))
    said = stream.getvalue()
    assert missed == 1
    for words in (
        "failed: no route",
        "MISSED",
        "not installed, so not measured: scp",
        "cut: its time was over",
    ):
        assert words in said


def test_a_report_says_when_others_were_at_work():
    stream = StringIO()
    report.show(Results(ABOUT, [run_of(others_cpu=0.6)]), Console(file=stream, width=200), [])
    assert "1 of 1 runs had others at work" in stream.getvalue()


def compared(old, new):
    runs = [Results(ABOUT, [run_of(seconds=value) for value in values]) for values in (old, new)]
    return {change.figure: change.verdict for change in changes(*runs)}


def test_slower_is_what_lies_outside_the_old_range_and_by_more_than_the_noise():
    assert compared([1.0, 1.1, 1.2], [1.3, 1.4, 1.5])["seconds"] == -1
    assert compared([1.0, 1.1, 1.2], [1.15, 1.3, 1.4])["seconds"] == 0
    assert compared([1.000, 1.001], [1.010, 1.011])["seconds"] == 0
    assert compared([1.3, 1.4, 1.5], [1.0, 1.1, 1.2])["seconds"] == 1


def test_single_runs_have_to_differ_by_more():
    assert compared([1.0], [1.1])["seconds"] == 0
    assert compared([1.0], [1.2])["seconds"] == -1


def test_more_is_better_for_shares():
    old, new = Results(ABOUT, [run_of(share=0.9)]), Results(ABOUT, [run_of(share=0.5)])
    assert {change.figure: change.verdict for change in changes(old, new)}["share"] == -1


def test_a_comparison_names_what_fails_now_and_did_not():
    old, new = Results(ABOUT, [run_of()]), Results(ABOUT, [run_of(error="it broke")])
    assert newly_failed(old, new) == ["wide_area: loss 10%, mayhem: it broke"]
    assert newly_failed(new, new) == []
