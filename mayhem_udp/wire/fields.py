"""Bytes taken apart by a construct declaration, field by field, each with its place.

Owns the walk: it follows the declaration itself, so no offset or width is written here, and it goes on as
far as the bytes do, where construct's own parser gives nothing at all for a datagram that is cut short.
Knows the kinds of construct that `declarations` and `messages` use. Never knows what a field means.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import construct

from mayhem_udp.escape import escape

WRONG: Final = "wrong"
"""How the meaning of a field begins that is not as it has to be."""


class Field(NamedTuple):
    """Of a datagram: offset and length in bytes, the field's name, its value, and what it means.

    `value` is a number, a text that is safe to show, or bytes. Where something is wrong here, `meaning`
    begins with `WRONG`.
    """

    offset: int
    length: int
    name: str
    value: object
    meaning: str


Values = dict[str, Any]
"""What was read of a declaration so far, by the names of its fields."""
Words = Callable[[str, Any, Values], tuple[object, str]]
"""From a field's name, value and what stands before it to the value to show and its meaning."""
Inside = dict[str, Callable[[int, int, Values], Iterator[Field]]]
"""For a field with an inside of its own: explains the bytes from one offset to another."""


class CutShort(Exception):
    """The bytes end before the declaration does; what was there has been told."""


class Walk:
    """A walk over `data` up to `end`; `position` is how far it has come."""

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    def struct(
        self, declaration: Any, *, prefix: str, words: Words, inside: Inside | None = None
    ) -> Iterator[Field]:
        """The fields of a declaration; raises `CutShort` after the last that is there."""
        values: Values = {}
        for named in declaration.subcons:
            hook = (inside or {}).get(named.name)
            name = f"{prefix}.{named.name}"
            if hook is None:
                yield from self._field(named.subcon, named.name, name, words, values)
            else:
                start = self.position
                yield from self._skip(named.subcon, name, values)
                yield from hook(start, self.position, values)

    def rest(self, name: str, meaning: str) -> Iterator[Field]:
        """All that is left, as one field."""
        if self.position < self.end:
            yield self._take(self.end - self.position, name, None, meaning)

    def _skip(self, kind: Any, name: str, values: Values) -> Iterator[Field]:
        yield from self._need(self._length(kind, values), name)
        self.position += self._length(kind, values)

    def _field(self, kind: Any, key: str, name: str, words: Words, values: Values) -> Iterator[Field]:
        match kind:
            case construct.Const():
                yield from self._number(kind.subcon, key, name, words, values)
            case construct.FormatField():
                yield from self._number(kind, key, name, words, values)
            case construct.Struct():
                yield from self.struct(kind, prefix=key, words=words)
            case construct.Array():
                yield from self._items(kind, key, name, words, values)
            case construct.FocusedSeq():  # what PrefixedArray makes: a count, and the items
                count, items = kind.subcons
                yield from self._number(count.subcon.subcon, f"{key}.count", f"{name}.count", words, values)
                inner: Values = {"count": values[f"{key}.count"]}
                yield from self._items(items.subcon, key, name, words, inner)
                values[key] = inner[key]
            case construct.Prefixed():
                yield from self._number(kind.lengthfield, f"{key}.length", f"{name}.length", words, values)
                yield from self._bytes(values[f"{key}.length"], key, name, words, values)
            case _:
                yield from self._bytes(self._length(kind, values), key, name, words, values)

    def _number(self, kind: Any, key: str, name: str, words: Words, values: Values) -> Iterator[Field]:
        size = kind.sizeof()
        yield from self._need(size, name)
        values[key] = kind.parse(self.data[self.position : self.position + size])
        yield self._take(size, name, *words(key, values[key], values))

    def _bytes(self, size: int, key: str, name: str, words: Words, values: Values) -> Iterator[Field]:
        yield from self._need(size, name)
        values[key] = self.data[self.position : self.position + size]
        if size:
            yield self._take(size, name, *words(key, values[key], values))

    def _items(self, kind: Any, key: str, name: str, words: Words, values: Values) -> Iterator[Field]:
        count = kind.count(construct.Container(values)) if callable(kind.count) else kind.count
        items: list[Any] = []
        values[key] = items
        for index in range(count):
            where = f"{name}[{index}]"
            start = self.position
            if isinstance(kind.subcon, construct.Struct):
                # An item of fixed width on one line: thirty thousand pairs are to stay readable.
                yield from self._need(kind.subcon.sizeof(), where)
                parsed = kind.subcon.parse(self.data[start : start + kind.subcon.sizeof()])
                item = {each.name: parsed[each.name] for each in kind.subcon.subcons}
                items.append(item)
                yield self._take(kind.subcon.sizeof(), where, *words(f"{key}[]", item, values))
            else:
                one: Values = {}
                yield from self._field(kind.subcon, f"{key}[]", where, words, one)
                items.append(one[f"{key}[]"])

    def _length(self, kind: Any, values: Values) -> int:
        if kind is construct.GreedyBytes:
            return self.end - self.position
        length = kind.length
        return int(length(construct.Container(values)) if callable(length) else length)

    def _need(self, size: int, name: str) -> Iterator[Field]:
        """Nothing where `size` bytes are there; else what is left, and the end of the walk."""
        left = self.end - self.position
        if left < size:
            yield self._take(
                left, name, None, f"{WRONG}: cut short, {size} bytes should be here and {left} are"
            )
            raise CutShort

    def _take(self, size: int, name: str, value: object, meaning: str) -> Field:
        start = self.position
        self.position += size
        return Field(start, size, name, f"{size} bytes" if value is None else value, meaning)


def text_of(raw: bytes) -> str:
    """Bytes that should be text, safe to show whatever they are."""
    return escape(raw.decode("utf-8", "backslashreplace"))
