"""Fuzzing for a given time: `make fuzz TIME=10m`, or `python tests/fuzz/fuzzing.py --time 10m --target server`.

Guided by coverage where atheris is installed (libFuzzer), by Hypothesis where it is not. The corpus of the
repository is where it begins; what is found on the way stays in `.fuzz`, and with `--keep` the smallest
inputs that reach something new move into the corpus. What breaks a promise is kept there too, and named with
the command that replays it.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
WORK = HERE.parents[1] / ".fuzz"
INPUT_MAX_BYTES = 1_024
KEPT_MAX = 120
"""Inputs of one target in the repository."""
KEPT_MAX_BYTES = 512
NAMES = ("decoder", "pack", "journal", "configuration", "captures", "server", "client")
SHARES = {"server": 4, "client": 4}
"""The engines are the largest by far."""


def has_atheris():
    try:
        import atheris  # noqa: F401  # only whether it is there
    except ImportError:
        return False
    return True


def fuzz_one(name, seconds):
    """One target in this process; never returns with atheris."""
    if not has_atheris():
        fuzz_without_coverage(name, seconds)
        return
    import atheris

    with atheris.instrument_imports(include=["mayhem_udp"]):
        import targets
    work = WORK / name
    work.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_MAX_BYTES}",
        "-timeout=20",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={WORK / 'broken'}/{name}-",
        "-print_final_stats=1",
        "-verbosity=1",
        str(work),
        str(CORPUS / name),
    ]
    atheris.Setup(arguments, targets.TARGETS[name])
    atheris.Fuzz()


def fuzz_without_coverage(name, seconds):
    """Hypothesis makes the inputs, from scratch and from the corpus."""
    import targets
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    known = [each.read_bytes() for each in sorted((CORPUS / name).iterdir())] or [b""]
    pieces = st.sampled_from(known)
    inputs = st.one_of(
        st.binary(max_size=INPUT_MAX_BYTES),
        st.builds(lambda a, b, at: a[:at] + b, pieces, st.binary(max_size=200), st.integers(0, 200)),
        st.builds(lambda a, b, at: a[:at] + b[at:], pieces, pieces, st.integers(0, 200)),
    )
    end = monotonic() + seconds
    while monotonic() < end:
        settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
            given(inputs)(targets.TARGETS[name])
        )()


def fuzz_all(names, seconds):
    """Each target in a process of its own, for its share of the time; how many broke a promise."""
    (WORK / "broken").mkdir(parents=True, exist_ok=True)
    whole = sum(SHARES.get(name, 1) for name in names)
    broken = 0
    for name in names:
        share = max(1, seconds * SHARES.get(name, 1) // whole)
        print(f"{name}: {share} s", flush=True)
        log = WORK / f"{name}.log"
        with log.open("w") as output:
            done = subprocess.run(
                [sys.executable, __file__, "--alone", name, "--time", str(share)],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        told = [line for line in log.read_text(errors="replace").splitlines() if "stat::number_of" in line]
        print("  " + (told[0].split(":")[-1].strip() + " inputs" if told else "done"), flush=True)
        if done.returncode:
            broken += 1
            print("\n".join(log.read_text(errors="replace").splitlines()[-40:]))
            print(f"  a promise is broken; see {log}, and replay what is in {WORK / 'broken'} with")
            print(f"  python tests/fuzz/fuzzing.py --replay {name} FILE")
    return broken


def keep(name):
    """Move the smallest inputs that reach something new into the repository's corpus."""
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder)
        subprocess.run(
            [sys.executable, __file__, "--merge", name, str(merged)], check=True, capture_output=True
        )
        found = sorted(merged.iterdir(), key=lambda each: each.stat().st_size)
        room = max(0, KEPT_MAX - len(list((CORPUS / name).iterdir())))
        chosen = [each for each in found if each.stat().st_size <= KEPT_MAX_BYTES][:room]
        for each in chosen:
            shutil.copy(each, CORPUS / name / each.name[:16])
    print(f"{name}: {len(chosen)} inputs kept")


def merge(name, folder):
    """The inputs of the work folder that reach what the corpus does not."""
    import atheris

    with atheris.instrument_imports(include=["mayhem_udp"]):
        import targets
    known = Path(folder)
    before = {each.name for each in (CORPUS / name).iterdir()}
    for each in (CORPUS / name).iterdir():
        shutil.copy(each, known / each.name)
    import atexit

    atexit.register(lambda: [(known / each).unlink(missing_ok=True) for each in before])
    atheris.Setup([sys.argv[0], "-merge=1", folder, str(WORK / name)], targets.TARGETS[name])
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", default="10m", help="such as 30s, 10m, 2h")
    parser.add_argument("--target", choices=NAMES, action="append", help="only this one; all of them else")
    parser.add_argument("--keep", action="store_true", help="afterwards, add what is new to the corpus")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="one input again")
    parser.add_argument("--alone", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--merge", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "simulation")]
    if chosen.replay:
        import targets

        targets.TARGETS[chosen.replay[0]](Path(chosen.replay[1]).read_bytes())
        print("no promise is broken")
    elif chosen.alone:
        fuzz_one(chosen.alone, int(chosen.time))
    elif chosen.merge:
        merge(*chosen.merge)
    else:
        names = chosen.target or list(NAMES)
        print(f"fuzzing with {'atheris' if has_atheris() else 'Hypothesis, since atheris is not installed'}")
        from mayhem_udp.units import (  # not above: what is fuzzed is instrumented first
            SECOND,
            parse_duration_ns,
        )

        broken = fuzz_all(names, parse_duration_ns(chosen.time) // SECOND)
        if chosen.keep and has_atheris():
            for name in names:
                keep(name)
        sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
