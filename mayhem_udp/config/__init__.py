"""Settings: what a user may set, where each value came from, and what is wrong with it.

`schema` says which settings there are, their types and ranges; the top level's `config.toml`, which the
package carries, is the only place of their defaults and their descriptions; `load` brings file,
environment and options together. Nothing here acts on a setting.
"""

from mayhem_udp.config.load import (
    Change,
    Loaded,
    Sources,
    compare,
    find_file,
    load,
    options_from,
    reloaded,
    with_overrides,
)
from mayhem_udp.config.problems import ConfigProblems, Problem
from mayhem_udp.config.schema import Settings

__all__ = [
    "Change",
    "ConfigProblems",
    "Loaded",
    "Problem",
    "Settings",
    "Sources",
    "compare",
    "find_file",
    "load",
    "options_from",
    "reloaded",
    "with_overrides",
]
