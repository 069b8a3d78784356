"""The life of a connection as a diagram, from the table that the engine itself goes by.

Owns nothing but the form: Mermaid, which GitHub draws and which reads as text elsewhere.
"""

from mayhem_udp.transport.state import TRANSITIONS, State


def diagram() -> str:
    """The block for the page, fences and all."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.OPENING.value}"]
    lines += [
        f"    {before.value} --> {after.value}: {signal.value}"
        for (before, signal), after in TRANSITIONS.items()
    ]
    return "\n".join([*lines, f"    {State.CLOSED.value} --> [*]", "```"])
