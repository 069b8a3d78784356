"""What a walk counts while files come and go.

Owns the count as it would have been had nothing changed since the walk began: each name counts as it was
when the walk met it, or when it was first touched, whichever came first. What has changed since then is
the quota's to add. Never walks itself. Names are kept as hashes: eight bytes for each.
"""

from array import array


class Census:
    """One count. Whoever uses it has a lock."""

    def __init__(self) -> None:
        self._bytes = 0
        self._files = 0
        self._met = array("q")
        self._touched: dict[int, tuple[int, int]] = {}

    def meet(self, name: str, *, stored_bytes: int, files: int) -> None:
        """The walk has found this, and nobody has touched it before."""
        key = hash(name)
        if key not in self._touched:
            self._met.append(key)
            self._bytes += stored_bytes
            self._files += files

    def touch(self, name: str, *, stored_bytes: int, files: int) -> None:
        """A name is about to change: until now, it counted with this much."""
        self._touched.setdefault(hash(name), (stored_bytes, files))

    def result(self) -> tuple[int, int]:
        """Bytes and files."""
        met = set(self._touched).intersection(self._met)
        unmet = [was for key, was in self._touched.items() if key not in met]
        return self._bytes + sum(was[0] for was in unmet), self._files + sum(was[1] for was in unmet)
