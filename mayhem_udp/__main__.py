"""Where the command begins: the console script, and `python -m mayhem_udp`.

Owns that Ctrl-C while the rest is still being imported ends it as it does later, with one line and the same
exit code. Imports nothing of ours before that is so, and knows nothing of verbs.
"""

import os
import sys

FAILED = 1
"""As `cli.failures` has it, which may not have been imported yet."""


def main() -> int:
    """The exit code. Whatever is imported, an interruption is told in words."""
    try:
        from mayhem_udp.cli.main import main as begin  # noqa: PLC0415  # what is imported may be interrupted

        return begin()
    except KeyboardInterrupt:
        try:  # noqa: SIM105  # contextlib would be one more import that can be interrupted
            os.write(2, b"mayhem: interrupted\n")  # sys.stderr may be None, or half-way to something else
        except OSError:
            pass
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
