"""The command as a process: what it imports, how it ends, what its helps say."""

import os
import pty
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import mayhem_udp
from mayhem_udp.cli.main import VERBS, mayhem

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
ENTRY = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["mayhem"].partition(":")[0]
COMMAND = [sys.executable, "-m", "mayhem_udp.cli.main"]


def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False, **more
    )  # type: ignore[call-overload,no-any-return]  # keyword arguments of a process


def imported_after(code: str) -> set[str]:
    """The packages of others, and our own modules, that Python has loaded once the code has run."""
    tail = "\nimport sys; print('modules:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, timeout=30, check=True
    )
    return set(done.stdout.rsplit("modules:", 1)[1].split())


# --- Quick to start ---------------------------------------------------------------------------------


def test_the_version_is_told_without_importing_anything_heavy():
    loaded = imported_after(f"import sys, {ENTRY} as entry; sys.argv[1:] = ['--version']; entry.main()")
    ours = {name for name in loaded if name.startswith("mayhem_udp")}
    assert ours == {"mayhem_udp", "mayhem_udp.errors"} | {
        f"mayhem_udp.{name}" for name in ("__main__", "cli", "cli.main", "cli.streams")
    }
    assert not loaded & {"numpy", "construct", "structlog", "rich", "msgspec", "tomllib", "dataclasses"}
    assert run("--version").stdout == f"mayhem {mayhem_udp.__version__}\n"


def test_a_quick_upload_imports_neither_bars_nor_logs(tmp_path: Path):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from shell_in_memory import MemoryServer
before = set(sys.modules)
for name in ("numpy", "rich", "structlog"):
    for module in [each for each in sys.modules if each.split(".")[0] == name]:
        del sys.modules[module]
from mayhem_udp.cli.main import run
from mayhem_udp.cli.surroundings import Surroundings
source = Path({str(tmp_path)!r}) / "a"
source.write_bytes(b"x")
around = Surroundings(connect=MemoryServer().connect)
assert run(["put", str(source), "mayhem://h/"], surroundings=around) == 0
"""
    loaded = imported_after(code)
    assert "mayhem_udp.cli.verbs.put" in loaded
    assert not loaded & {"numpy", "structlog", "rich", "construct"}


def test_a_client_without_faults_does_not_load_what_makes_them(tmp_path: Path):
    code = f"""
from mayhem_udp.cli.surroundings import Surroundings
import gc
with Surroundings().connect("mayhem://127.0.0.1:9/", client__cache_dir={str(tmp_path)!r}):
    assert gc.isenabled() and gc.get_freeze_count() > 10_000, "what was loaded is looked for garbage"
"""
    loaded = imported_after(code)
    assert "mayhem_udp.transport.connection" in loaded
    assert not loaded & {"mayhem_udp.mayhem.link", "mayhem_udp.endpoint.faulty"}


def test_listing_the_verbs_imports_none_of_them():
    loaded = imported_after("from mayhem_udp.cli.main import run; run(['--help'])")
    assert not any(name.startswith("mayhem_udp.cli.verbs.") for name in loaded)


# --- Helps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_with_examples(verb: str):
    answer = CliRunner().invoke(mayhem, [verb, "--help"], prog_name="mayhem", terminal_width=100)
    assert answer.exit_code == 0
    assert answer.output.startswith(f"Usage: mayhem {verb}")
    assert "Examples:\n" in answer.output
    assert max(map(len, answer.output.splitlines())) <= 100


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_says_of_a_verb_what_the_verb_says(verb: str):
    context = mayhem.make_context("mayhem", [verb, "--help"], resilient_parsing=True)
    command = mayhem.get_command(context, verb)
    assert command is not None
    assert command.get_short_help_str(200) == VERBS[verb]


def test_without_a_verb_the_help_is_shown():
    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: mayhem [OPTIONS] COMMAND")


def test_help_is_a_verb_too():
    assert run("help").stdout == run("--help").stdout
    assert run("help", "put").stdout == run("put", "--help").stdout
    assert run("help", "config", "show").stdout.startswith("Usage: mayhem config show")
    assert "no such command 'pt'" in run("help", "pt").stderr


# --- Usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["pt"], "no such command 'pt'. Did you mean 'put'?; next: `mayhem --help`"),
        (["put"], "missing argument 'PATH... [URL]'; next: `mayhem put --help`"),
        (
            ["put", "a", "http://h/"],
            "'http://h/' is not a URL that mayhem understands: it does not begin with mayhem://; "
            "next: perhaps you mean mayhem://h/",
        ),
        (["put", "a", "h:/x"], "there is no URL to send to; next: perhaps you mean mayhem://h/x"),
        (
            ["completion"],
            "missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish; "
            "next: `mayhem completion --help`",
        ),
        (
            ["ls", "h"],
            "'h' is not a URL that mayhem understands: it does not begin with mayhem://; "
            "next: perhaps you mean mayhem://h",
        ),
        (
            ["ls", "--set", "a.b=1", "mayhem://h"],
            "option --set: a.b: there is no such setting; `mayhem config default` shows all there are",
        ),
        (
            ["ls", "--set", "timeout=1", "mayhem://h"],
            "option --set: timeout: there is no such setting; did you mean client.timeout?",
        ),
        (
            ["ls", "--set", "x", "mayhem://h"],
            "--set x has no value; next: write it like --set transport.chunk_size=1024",
        ),
        (
            ["put", "--rate", "fast", "a", "mayhem://h"],
            "option --rate: congestion.rate_cap: must be a rate in bits a second like "
            '20000000, "20M" or "1.5G", and is \'fast\'',
        ),
        (["ls", "-q", "-v", "mayhem://h"], "-q and -v contradict each other; next: keep one of them"),
        (
            ["config", "show", "--config", "none.toml"],
            "none.toml: cannot be read: No such file or directory; name another file with --config",
        ),
    ],
)
def test_a_wrong_command_is_exit_2_and_one_line_that_helps(arguments: list[str], line: str, tmp_path: Path):
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAYHEM")}
    done = run(*arguments, cwd=tmp_path, env={**environ, "PYTHONPATH": os.getcwd(), "HOME": str(tmp_path)})
    assert (done.returncode, done.stderr, done.stdout) == (2, f"mayhem: {line}\n", "")


# --- Ends -------------------------------------------------------------------------------------------


def test_a_reader_that_closes_early_is_no_error_to_shout_about():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "config", "default"], stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "config", "default"], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
        )
    assert done.returncode == 1
    assert done.stderr == (
        b"mayhem: the output could not be written: no space left; "
        b"next: send it elsewhere, then give the same command again\n"
    )


def closed(redirections: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run with streams that are closed, as a shell and some services start programs."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["put", "--help"],
        ["config", "default"],
        ["config", "show"],
        ["decode", "a.hex"],
        ["completion", "bash"],
    ],
)
def test_what_was_asked_for_and_has_nowhere_to_go_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.chdir(tmp_path)
    Path("a.hex").write_text("4d59")
    done = closed(">&-", *arguments)
    assert (done.returncode, done.stderr) == (
        1,
        "mayhem: standard output is closed, and what was asked for goes there; "
        "next: leave it open, or send it to a file with `> FILE`\n",
    )


def test_nothing_is_read_from_a_standard_input_that_is_closed():
    for arguments in (["put", "-", "mayhem://localhost:1/x"], ["decode"]):
        done = closed("<&-", *arguments)
        assert (done.returncode, done.stderr) == (
            1,
            "mayhem: standard input is closed, there is nothing to read; "
            "next: give it something, as in `... < FILE`\n",
        )


def test_no_other_file_gets_the_number_of_a_stream_that_is_closed():
    code = """
from mayhem_udp.cli.streams import take_standard_streams
take_standard_streams()
import os, sys
print("told", file=sys.stderr)
opened = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(opened, str(opened).encode())
"""
    done = subprocess.run(
        ["sh", "-c", 'file=$(mktemp) && "$@" "$file" <&- >&- 2>&-; cat "$file"; rm "$file"', "sh", sys.executable, "-c", code],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("3", "")


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGINT, b"mayhem: interrupted"),
        (signal.SIGTERM, b"mayhem: stopped by SIGTERM"),
    ],
)
def test_a_signal_ends_it_cleanly(number: int, line: bytes):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "decode"],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        assert b"paste" in process.stderr.readline()  # it has begun to wait for us
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        os.close(master)
        os.close(slave)
    assert (process.returncode, out, err.strip()) == (1, b"", line)


@pytest.mark.parametrize(
    "module",
    [
        "importlib",
        "typing",
        "click",
        "mayhem_udp.cli.main",
        "mayhem_udp.cli.streams",
        "mayhem_udp.cli.verbs.ls",
    ],
)
def test_an_interruption_before_all_is_imported_is_told_in_words(module: str):
    code = f"""
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["mayhem", "ls", "mayhem://localhost:1/"]
from {ENTRY} import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()  # click may have ended the line of ^C before
    assert line.startswith("mayhem: interrupted")


def test_the_package_itself_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "mayhem_udp", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"mayhem {mayhem_udp.__version__}\n")


# --- Completion -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "word"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef mayhem"), ("fish", "complete --no-files")],
)
def test_each_shell_has_its_completion(shell: str, word: str):
    done = run("completion", shell)
    assert done.returncode == 0
    assert word in done.stdout
    assert "_MAYHEM_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("mayhem pro", {"proxy"}),
        ("mayhem put --cc ", {"bbr", "cubic", "fixed"}),
        ("mayhem put --set access.", {f"access.{name}=" for name in ("read", "write", "list", "remove")}),
        ("mayhem put --chu", {"--chunk-size"}),
    ],
)
def test_words_are_completed(words: str, completions: set[str]):
    environ = {
        **os.environ,
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_MAYHEM_COMPLETE": "bash_complete",
    }
    done = subprocess.run(COMMAND, capture_output=True, text=True, env=environ, timeout=30, check=False)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == completions


def test_bash_accepts_the_script(tmp_path: Path):
    script = tmp_path / "mayhem.bash"
    script.write_text(run("completion", "bash").stdout)
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
