"""Who hears what happens to connections: a log, or nobody.

Owns the shape only; `telemetry` is the one that writes. Hearing never changes what happens.
"""

from typing import Protocol

from mayhem_udp.endpoint.conversation import Conversation
from mayhem_udp.transport.events import Event


class Watcher(Protocol):
    """Hears what happens to connections."""

    def on_opened(self, conversation: Conversation) -> None:
        """Somebody has come in."""

    def on_event(self, conversation: Conversation, event: Event) -> None:
        """Something that is not about a request."""

    def on_served(self, conversation: Conversation, *, now_ns: int) -> None:
        """A conversation had its turn."""

    def on_fault(self, conversation: Conversation, fault: Exception) -> None:
        """The program has met an error of its own, and breaks the conversation off."""

    def on_gone(self, conversation: Conversation) -> None:
        """A connection is forgotten."""


class Silence:
    """A watcher that does not care."""

    def on_opened(self, conversation: Conversation) -> None: ...
    def on_event(self, conversation: Conversation, event: Event) -> None: ...
    def on_served(self, conversation: Conversation, *, now_ns: int) -> None: ...
    def on_fault(self, conversation: Conversation, fault: Exception) -> None: ...
    def on_gone(self, conversation: Conversation) -> None: ...
