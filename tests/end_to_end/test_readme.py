"""The README's own commands, run as they are written there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from readme import Block, blocks_of, marks_of
from town import MAYHEM, WAIT_S

README = Path(__file__).resolve().parents[2] / "README.md"
TEXT = README.read_text("utf-8")


def network_of_its_own():
    """What puts a shell into a network where the default port is free: an unshared one, where that is allowed."""
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("ip") is None:
        return []
    own = [unshare, "--net", "--map-root-user"]
    works = subprocess.run([*own, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    return own if works.returncode == 0 else []


class Reader:
    """Somebody at a terminal, who types what the document says."""

    def __init__(self, town):
        self.town = town
        environ = {**town.environ, "PATH": f"{Path(MAYHEM).parent}:{os.environ['PATH']}"}
        environ["HOME"] = str(town.here)
        own = network_of_its_own()
        shell = [*own, "bash", "--noprofile", "--norc"]
        self.shell = town.start(*shell[1:], program=shell[0], environ=environ, stdin=subprocess.PIPE)
        self.typed = 0
        self.types("set -m\n")  # as at a terminal: what goes on in the background hears a Ctrl-C meant for it
        if own:
            self.types("ip link set lo up\n")

    def types(self, text):
        self.shell.process.stdin.write(text.encode())
        self.shell.process.stdin.flush()

    def runs(self, block):
        for name in block.given:
            self.town.file(name, 10_000)
        self.typed += 1
        script = self.town.folder / f"block-{self.typed}.sh"
        script.write_text(block.script)
        if block.is_background:
            self.types(f"bash -eu {script} 2>&1 | sed -u 's/^/said-{self.typed}: /' &\n")
            self.shell.out.wait_for(f"^said-{self.typed}: ")
            return
        self.types(f"bash -eu -o pipefail {script} < /dev/null; echo ended-{self.typed} with $?\n")
        code = int(self.shell.out.wait_for(rf"^ended-{self.typed} with (\d+)$")[1])
        assert code == block.exit_code, f"exit code {code} of:\n{block.script}\n{self.shell.err.text}"

    def leaves(self):
        """Ctrl-C to whatever goes on in the background, and goodbye."""
        self.types("for job in $(jobs -p); do kill -INT -- -$job; done; wait; exit 0\n")
        self.shell.process.stdin.close()
        self.shell.process.wait(WAIT_S)


@pytest.fixture
def reader(town):
    reader = Reader(town)
    yield reader
    reader.leaves()


def test_every_tested_command_of_the_readme_does_what_it_says(reader):
    if not TEXT.strip():
        pytest.skip("README.md is empty so far")
    blocks = blocks_of(TEXT)
    assert blocks, "README.md marks no block as <!-- tested -->"
    assert len(blocks) == marks_of(TEXT), "a mark without a ```sh block after it"
    for block in blocks:
        reader.runs(block)


# --- The harness itself -------------------------------------------------------------------------------

DOCUMENT = """
# Title

<!-- tested: background -->
```sh
mayhem serve --root files
```

<!-- tested: given report.pdf -->

```sh
$ mayhem put report.pdf mayhem://localhost/
mayhem ls mayhem://localhost/ | grep report.pdf
```

```sh
rm -rf /
```

<!-- tested: exit 5 -->
```sh
mayhem get mayhem://localhost/nothing
```
"""


def test_marked_blocks_are_found_with_their_marks_and_no_others():
    assert blocks_of(DOCUMENT) == [
        Block(4, "mayhem serve --root files\n", is_background=True),
        Block(
            9,
            "mayhem put report.pdf mayhem://localhost/\nmayhem ls mayhem://localhost/ | grep report.pdf\n",
            given=("report.pdf",),
        ),
        Block(20, "mayhem get mayhem://localhost/nothing\n", exit_code=5),
    ]
    assert marks_of(DOCUMENT) == 3


def test_a_mark_that_means_nothing_is_an_error():
    with pytest.raises(ValueError, match="no mark"):
        blocks_of("<!-- tested: quickly -->\n```sh\ntrue\n```\n")


def test_blocks_run_in_one_terminal_with_a_daemon_in_the_background(reader):
    if not network_of_its_own():
        pytest.skip("no network of its own: the default port may be somebody else's")
    for block in blocks_of(DOCUMENT):
        reader.runs(block)


def test_a_block_that_ends_otherwise_than_promised_fails_the_test(reader):
    reader.runs(Block(1, "false\n", exit_code=1))
    with pytest.raises(AssertionError, match="exit code 1 of"):
        reader.runs(Block(1, "true\nfalse | true\ntrue\n"))
