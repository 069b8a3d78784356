"""Mutations of transport and wire, and how many of them the tests notice: `make mutation TIME=30m`.

Works on a copy in `.mutation`, with mutmut. All mutants are made; as many as the time allows are tried, in an
order that a seed decides, so that a short run is a fair sample of a long one. A score of a module is the
share of its tried mutants that made a test fail, or run forever. Survivors are listed with their names, for
`mutmut show NAME` in the copy.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from time import monotonic

from mayhem_udp.units import SECOND, parse_duration_ns

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / ".mutation"
MUTATED = ("wire", "transport")
TESTS = ("wire", "transport", "session", "mutation/lives")
COPIED = ("mayhem_udp", "tests", "docs", "config.toml", "README.md", "LICENSE")
LEFT_OUT = ("transport/congestion/test_goodput.py", "transport/congestion/test_together.py")
"""Long simulations: each mutant of the controllers would wait for all of them."""
AT_ONCE = 400
"""Mutants between two looks at the clock: each time the tests are run once as they are."""
SURVIVED, UNTESTED = 0, 33
"""mutmut's codes; everything else that a run may end with means that it was noticed."""

SETTINGS = """
[project]
name = "mutated"
version = "0"
[tool.mutmut]
paths_to_mutate = [{mutated}]
tests_dir = [{tests}]
also_copy = [{copied}]
[tool.pytest.ini_options]
addopts = "-p no:cacheprovider -p no:randomly"
"""


def make_copy(modules):
    """A tree of its own for mutmut, as the working tree is now."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, COPY / name)
    for name in ("end_to_end", "endpoint", "cli", "bench"):
        shutil.rmtree(COPY / "tests" / name, ignore_errors=True)
    for name in LEFT_OUT:
        (COPY / "tests" / name).unlink()
    listed = {
        "mutated": (f"mayhem_udp/{name}/" for name in modules),
        "tests": (f"tests/{name}/" for name in TESTS),
        "copied": COPIED,
    }
    quoted = {key: ", ".join(f'"{each}"' for each in values) for key, values in listed.items()}
    (COPY / "pyproject.toml").write_text(SETTINGS.format(**quoted))


def mutmut(*arguments, log):
    environ = os.environ | {"PYTHONPATH": ""}
    with (COPY / log).open("a") as output:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "2", *arguments]
        return subprocess.run(
            command, cwd=COPY, stdout=output, stderr=output, env=environ, check=False
        ).returncode


def outcomes():
    """What is known of every mutant, by its name; None where it was not tried."""
    found = {}
    for meta in sorted((COPY / "mutants").rglob("*.meta")):
        found |= json.loads(meta.read_text())["exit_code_by_key"]
    return found


def try_mutants(seed, end):
    """As many as there is time for."""
    mutmut("nothing.has.this.name", log="made.log")
    names = sorted(outcomes())
    if not names:
        sys.exit(f"mutmut has made nothing, or the tests fail as they are; see {COPY / 'made.log'}")
    Random(seed).shuffle(names)
    for first in range(0, len(names), AT_ONCE):
        if monotonic() > end:
            break
        mutmut(*names[first : first + AT_ONCE], log="tried.log")
        tried = {name: code for name, code in outcomes().items() if code is not None}
        if not tried:
            sys.exit(f"the tests fail as they are; see {COPY / 'tried.log'}")
        print(f"{len(tried)} of {len(names)} tried, {score(tried):.1%} noticed", flush=True)


def score(tried):
    tested = [code for code in tried.values() if code != UNTESTED]
    return sum(code != SURVIVED for code in tested) / len(tested) if tested else 0.0


def module_of(name):
    return ".".join(name.split(".")[1:3])


def report():
    """A table by module, the survivors, and all of it as JSON."""
    known = outcomes()
    made = Counter(module_of(name) for name in known)
    rows = []
    for module in sorted(made):
        tried = {name: code for name, code in known.items() if code is not None and module_of(name) == module}
        survived = sorted(name for name, code in tried.items() if code == SURVIVED)
        untested = sorted(name for name, code in tried.items() if code == UNTESTED)
        rows.append(
            {
                "module": module,
                "made": made[module],
                "tried": len(tried),
                "score": round(score(tried), 4),
                "survived": survived,
                "untested": untested,
            }
        )
    print(f"\n{'module':<34}{'made':>7}{'tried':>7}{'noticed':>9}{'survived':>10}{'untested':>10}")
    for row in rows:
        print(
            f"{row['module']:<34}{row['made']:>7}{row['tried']:>7}{row['score']:>9.1%}"
            f"{len(row['survived']):>10}{len(row['untested']):>10}"
        )
    tried = {name: code for name, code in known.items() if code is not None}
    print(f"{'all':<34}{len(known):>7}{len(tried):>7}{score(tried):>9.1%}")
    target = COPY / "score.json"
    target.write_text(json.dumps({"score": score(tried), "tried": len(tried), "modules": rows}, indent=1))
    print(f"survivors are in {target}; show one with: cd {COPY.name} && python -m mutmut show NAME")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", default="30m", help="such as 10m, 2h")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which mutants are tried")
    parser.add_argument("--only", choices=MUTATED, action="append", help="only this part; both else")
    chosen = parser.parse_args()
    end = monotonic() + parse_duration_ns(chosen.time) / SECOND
    make_copy(chosen.only or MUTATED)
    try_mutants(chosen.seed, end)
    report()


if __name__ == "__main__":
    main()
