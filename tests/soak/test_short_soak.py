"""A soak of a few seconds: the program does what it says, and keeps its own promises."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def test_a_short_soak_ends_well():
    done = subprocess.run(
        [sys.executable, HERE / "soaking.py", "--time", "8s", "--seed", "1", "--people", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((HERE.parents[1] / ".soak" / "soak.json").read_text())
    assert told["complaints"] == []
    assert told["figures"]["files checked"] > 0
    assert told["figures"]["simulated lives"] > 0
