"""Programs that are measured: started, timed, and ended, whatever happens.

Owns wall time, CPU seconds and memory of what it starts, and that nothing of it is left behind. Never
knows what a program is for.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

OUTPUT_TAIL_CHARS: Final = 4_000
POLL_S: Final = 0.002
MEMORY_EVERY_S: Final = 0.05
CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ProgramError(Exception):
    """A program did not do what it was started for; the message is for the table."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has run."""

    exit_code: int
    """-N where signal N ended it."""
    wall_s: float
    cpu_s: float
    """User and system time, of its own and of its children that it has waited for."""
    memory_max_bytes: int
    stdout: str
    stderr: str
    was_cut: bool
    """It was ended because its time was over."""

    @property
    def trouble(self) -> str | None:
        """What went wrong, in one line; None if nothing did."""
        if self.was_cut:
            return f"not done after {self.wall_s:.0f} s"
        if self.exit_code == 0:
            return None
        said = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return f"exit {self.exit_code}: {said[-1] if said else 'it said nothing'}"


class Program:
    """One running program, in a process group of its own, its output kept in memory."""

    def __init__(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self._stdout = os.memfd_create("stdout")
        self._stderr = os.memfd_create("stderr")
        self.command = [str(part) for part in command]
        self._began_s = time.monotonic()
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            stderr=self._stderr,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        self.ended: Ended | None = None
        self._memory_max_bytes = 0
        self._memory_due_s = 0.0

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait(self, *, timeout_s: float) -> Ended:
        """Wait for its end, and bring it about when the time is over."""
        deadline_s = time.monotonic() + timeout_s
        while not self.poll():
            if time.monotonic() >= deadline_s:
                return self.stop(was_cut=True)
            time.sleep(POLL_S)
        assert self.ended is not None
        return self.ended

    def poll(self) -> bool:
        """Whether it has ended by now."""
        if self.ended is None:
            self._look_at_memory()
            pid, status, usage = os.wait4(self.process_id, os.WNOHANG)
            if pid:
                self._note_end(status, usage.ru_utime + usage.ru_stime, was_cut=False)
        return self.ended is not None

    def stop(self, *, was_cut: bool = False, grace_s: float = 5.0) -> Ended:
        """End it: politely, then not."""
        if self.ended is not None:
            return self.ended
        deadline_s = time.monotonic() + grace_s
        number: int = signal.SIGTERM
        while True:
            self._signal(number)
            while time.monotonic() < deadline_s or number == signal.SIGKILL:
                pid, status, usage = os.wait4(self.process_id, os.WNOHANG)
                if pid:
                    self._signal(signal.SIGKILL)  # what is left of its group
                    self._note_end(status, usage.ru_utime + usage.ru_stime, was_cut=was_cut)
                    assert self.ended is not None
                    return self.ended
                time.sleep(POLL_S)
            number = signal.SIGKILL

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process_id, number)

    def _note_end(self, status: int, cpu_s: float, *, was_cut: bool) -> None:
        exit_code = os.waitstatus_to_exitcode(status)
        self._process.returncode = exit_code  # so that Popen does not wait for it as well
        self.ended = Ended(
            exit_code=exit_code,
            wall_s=time.monotonic() - self._began_s,
            cpu_s=cpu_s,
            memory_max_bytes=self._memory_max_bytes,
            stdout=self.stdout(),
            stderr=self.stderr(),
            was_cut=was_cut,
        )
        os.close(self._stdout)
        os.close(self._stderr)

    def stdout(self) -> str:
        """What it has written so far."""
        return self.ended.stdout if self.ended else _text_of(self._stdout)

    def stderr(self) -> str:
        """What it has complained of so far."""
        return self.ended.stderr if self.ended else _text_of(self._stderr)

    def settled_cpu_s(self, *, timeout_s: float = 2.0) -> float:
        """The same, once its children have ended: until then what they did is nowhere to be seen."""
        deadline_s = time.monotonic() + timeout_s
        children = Path(f"/proc/{self.process_id}/task/{self.process_id}/children")
        while children.read_text().strip() and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
        return self.cpu_s()

    def cpu_s(self) -> float:
        """User and system time so far, of it and of its children that have ended (ticks of 10 ms)."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / CLOCK_TICKS

    def memory_bytes(self) -> int:
        """Resident memory now."""
        return self._status("VmRSS")

    def memory_max_bytes(self) -> int:
        """Resident memory at its most, so far."""
        return self._status("VmHWM")

    def _look_at_memory(self) -> None:
        """Note the most memory now and then: what wait4 tells begins with that of the bench itself."""
        now_s = time.monotonic()
        if now_s >= self._memory_due_s:
            self._memory_due_s = now_s + MEMORY_EVERY_S
            with suppress(OSError):
                self._memory_max_bytes = max(self._memory_max_bytes, self.memory_max_bytes())

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.process_id}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return 0

    def wait_until(
        self, is_ready: Callable[["Program"], bool], *, what: str, timeout_s: float = 10.0
    ) -> None:
        """Wait until it is ready. Raises `ProgramError` when it ends or takes too long instead."""
        deadline_s = time.monotonic() + timeout_s
        while not is_ready(self):
            if self.poll():
                assert self.ended is not None
                raise ProgramError(f"{self.command[0]} ended: {self.ended.trouble or 'without a word'}")
            if time.monotonic() > deadline_s:
                raise ProgramError(
                    f"{self.command[0]}: {what} after {timeout_s:.0f} s; {self.stderr()[-200:]}"
                )
            time.sleep(POLL_S)


def run(
    command: Sequence[str | Path],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """Run a program to its end, or to the end of its time."""
    with program(command, env=env, cwd=cwd) as started:
        return started.wait(timeout_s=timeout_s)


@contextmanager
def program(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Program]:
    """A program that runs as long as the block does, at most. Raises `ProgramError` if there is no such one."""
    try:
        started = Program(command, env=env, cwd=cwd)
    except OSError as error:
        raise ProgramError(f"{command[0]}: {error.strerror}") from None
    try:
        yield started
    finally:
        started.stop()


def end_with_cleanup_on_signals() -> None:
    """Make SIGTERM and SIGHUP end the bench as Ctrl-C does: through every `with` and `finally`."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def _text_of(descriptor: int) -> str:
    """The end of a file, without moving the position at which its writer goes on."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 64 * OUTPUT_TAIL_CHARS)
    return os.pread(descriptor, size - start, start).decode(errors="replace")
