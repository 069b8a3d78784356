"""The programs of this folder in small: counts only, since a machine that runs tests is no place to time anything."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CANNOT = 77


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, HERE / program, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode == CANNOT:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())


def test_forged_hellos_leave_no_memory_in_a_real_daemon_and_a_good_client_gets_in():
    told = run(
        "flooding.py",
        "--hellos",
        "3000",
        "--engine-hellos",
        "20000",
        "--per-second",
        "1500",
        "--file-bytes",
        "1000000",
        "--repeat",
        "1",
    )
    assert told["forged hellos"] == "3,000"


def test_thirty_clients_at_once_with_loss_and_damage_all_get_their_files_whole():
    told = run("crowding.py", "--clients", "30", "--size", "50000")
    assert told["files whole, there and back"] == "30"


def test_small_questions_are_answered_beside_a_huge_transfer_which_ends_well():
    told = run("waiting.py", "--bytes", "100000000", "--gap-max-ms", "60000")
    assert int(told["questions"].replace(",", "")) > 0
    assert float(told["loop's turns, 99.9th percentile, ms"]) > 0
