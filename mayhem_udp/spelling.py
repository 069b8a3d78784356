"""One file, two spellings: its name, which is UTF-8 everywhere, and its path, as this machine's locale has it.

Owns the way from one to the other where the locale knows no UTF-8 (LC_ALL=C, as services and cron have it):
Python hands the bytes of arguments and of paths over as surrogates then (PEP 383), and takes nothing else
but ASCII for a path. Never judges a name, never looks at a disk.
"""

import os


def as_name(text: str) -> str:
    """What an argument or a part of a path says in UTF-8; what is none stays as it is, for others to refuse."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    try:
        return os.fsencode(text).decode()
    except UnicodeError:
        return text


def as_path(name: str) -> str:
    """The path, or a part of one, whose bytes are those of the name; one that the locale can spell stays as it is."""
    if name.isascii():
        return name
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return os.fsdecode(name.encode("utf-8", "surrogateescape"))
    return name
