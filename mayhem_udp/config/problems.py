"""What is wrong with a configuration: every problem at once, each with its place and the way out.

Never finds a problem: `load` does.
"""

from collections.abc import Sequence

from msgspec import Struct

from mayhem_udp.errors import ConfigError


class Problem(Struct, frozen=True):
    """One thing that is wrong."""

    place: str
    """`config.toml:12`, `environment MAYHEM_TRANSPORT__CHUNK_SIZE`, `option --rate`."""
    key: str
    """The setting's full name as it was written; empty where the file as a whole is meant."""
    message: str
    """What is wrong, as half a sentence."""
    remedy: str = ""
    """What to do, such as the nearest right name."""

    def __str__(self) -> str:
        about = f"{self.place}: {self.key}: {self.message}" if self.key else f"{self.place}: {self.message}"
        return f"{about}; {self.remedy}" if self.remedy else about


class ConfigProblems(ConfigError):
    """Everything that is wrong with the settings, in the order in which it was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
