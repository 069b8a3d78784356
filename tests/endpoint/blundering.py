"""A store with defects: what an error of our own does to the client that meets it, and to the others."""


class Blundering:
    """Takes and gives files as the store behind it, and fails at lists (at once) and looks (in a worker's result)."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def listing(self, pattern, *, recursive):
        raise ZeroDivisionError("as an example")

    def stat(self, name):
        return "no entry at all"
