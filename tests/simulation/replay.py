"""Lives one seed again, and tells about it: `python tests/simulation/replay.py SEED`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from life import draw_plan, live  # the folder above has to be known first


def main():
    for seed in map(int, sys.argv[1:]):
        print(draw_plan(seed))
        life = live(seed)
        print(f"all is well at {life.simulator.now_ns / 1e9:.3f} s of virtual time, {life.crashes} crashes")
        print(life.links.outward.counts)
        print(life.links.inward.counts)


if __name__ == "__main__":
    main()
