"""Making text from elsewhere safe to show.

Owns what may reach a terminal or a log as it is: printable characters. Everything else (control
characters, terminal escapes, bidirectional and invisible ones, lone surrogates, line separators)
becomes a backslash sequence that can be read. Never shortens, never judges a name: `store.names` does.
"""


def escape(text: str) -> str:
    r"""`text` with every character that does not print written out, as in `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _sequence(ord(char)) for char in text)


def escape_lines(text: str) -> str:
    """The same for a text of several lines: line feeds stay."""
    return "\n".join(escape(line) for line in text.split("\n"))


def _sequence(point: int) -> str:
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
