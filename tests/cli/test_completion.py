"""Completion in real shells: the script is loaded, and asked what it would offer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOME_OF_THE_COMMAND = Path(sys.executable).parent

BASH = """
source {script}
compopt() {{ :; }}  # only there while a key is pressed
complete -p mayhem > /dev/null || exit 1
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_mayhem_completion mayhem
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
autoload -Uz compinit && compinit -D -u
source {script}
_describe() {{ print -rl -- ${{(P)3}} }}
compadd() {{ print -rl -- ${{(P)argv[-1]}} }}
words=({words}); CURRENT=$#words
_mayhem_completion
"""
FISH = """
source {script}
complete -C "{line}"
"""
SHELLS = {"bash": (["bash", "--norc"], BASH), "zsh": (["zsh", "-f"], ZSH), "fish": (["fish", "-N"], FISH)}
ASKED = {
    "mayhem p": {"put", "ping", "proxy"},
    "mayhem put --ch": {"--chunk-size"},
    "mayhem put --cc ": {"bbr", "cubic", "fixed"},
    "mayhem config ": {"show", "check", "default"},
    "mayhem serve --set transport.ch": {"transport.chunk_size="},
}


@pytest.fixture(params=SHELLS)
def shell(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture
def offered(shell, tmp_path):
    """What the shell would offer for a line that has been typed so far."""
    environ = {"PATH": f"{HOME_OF_THE_COMMAND}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}

    def run(*command):
        return subprocess.run(
            command, env=environ, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    script = tmp_path / "script"
    script.write_text(run("mayhem", "completion", shell))
    start, ask = SHELLS[shell]

    def offer(line):
        words = " ".join(f"'{word}'" for word in line.split(" "))
        lines = run(*start, "-c", ask.format(script=script, words=words, line=line)).splitlines()
        return {each.partition("\t")[0].partition(":")[0] for each in lines if each}

    return offer


@pytest.mark.parametrize("line", ASKED)
def test_a_real_shell_offers_what_comes_next(offered, line):
    assert offered(line) == ASKED[line]


def test_a_word_that_nothing_begins_with_is_offered_nothing(offered):
    assert offered("mayhem nonsens") == set()
