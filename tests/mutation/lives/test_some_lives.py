"""A few simulated lives, quick enough to be lived again for every mutant."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "simulation"))

from life import live  # the folder above comes first


def test_thirty_lives_end_well():
    for seed in range(10_000, 10_030):
        live(seed)
