"""What a peer may call a file.

Owns the rules for names from outside: relative, UTF-8, slash between parts, nothing that leaves the
root, hides itself, fools a terminal or means our own staging. The same rules hold in both directions;
a machine that knows drives and device names has some more. Never looks at a disk.
"""

import os
import re
import unicodedata
from enum import Enum
from typing import Final

from msgspec import Struct

from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.escape import escape
from mayhem_udp.limits import NAME_COMPONENT_MAX_BYTES, NAME_DEPTH_MAX, NAME_MAX_BYTES

RESERVED: Final = ".mayhem"
"""Names that begin like this are the store's own: staging, journals, what was set aside."""

_ANY_FOLDER: Final = "_"
"""Stands for whatever folder a part is in, where only the part itself is to be judged."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: terminal escapes, line ends, NUL
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks, embeddings, overrides, isolates
    "\u2028\u2029"  # line and paragraph separators
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # annotations and tags: invisible text
    "\\\\]"  # the other separator
)
_IGNORABLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Default_Ignorable_Code_Point, those reserved for it too: https://www.unicode.org/Public/UCD/latest/ucd/
DerivedCoreProperties.txt. Linux takes them for nothing where a folder ignores case (fs/unicode, ext4, f2fs)."""
_WINDOWS_FORBIDDEN: Final = re.compile('[<>:"|?*]|[. ]$')
_WINDOWS_DEVICE: Final = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE
)
"""https://learn.microsoft.com/windows/win32/fileio/naming-a-file; with any extension they are devices too."""


class System(Enum):
    """The kind of machine that a name has to be safe on."""

    POSIX = "posix"
    WINDOWS = "nt"


THIS_SYSTEM: Final = System.WINDOWS if os.name == "nt" else System.POSIX


class Name(Struct, frozen=True):
    """A name that has been checked: its parts, folder by folder, the file's own last."""

    parts: tuple[str, ...]

    @property
    def folder(self) -> tuple[str, ...]:
        """The parts of the folder that it is in; empty for the root."""
        return self.parts[:-1]

    @property
    def last(self) -> bytes:
        """The file's own name, as the disk wants it."""
        return self.parts[-1].encode()

    def __str__(self) -> str:
        return "/".join(self.parts)


def check_name(
    raw: bytes | str,
    *,
    max_bytes: int = NAME_MAX_BYTES,
    max_depth: int = NAME_DEPTH_MAX,
    system: System = THIS_SYSTEM,
) -> Name:
    """The name that `raw` stands for; raises `RefusedError` with the code that fits."""
    text = decode_name(raw, max_bytes=max_bytes)
    parts = tuple(text.split("/"))
    if len(parts) > max_depth:
        raise _refused(text, f"is more than {max_depth} folders deep", Code.NAME_TOO_LONG)
    if _FORBIDDEN.search(text):
        raise _refused(text, "has a backslash, a control character or one that changes direction")
    if not text.isascii() or ":" in text or system is System.WINDOWS:
        _check_unusual(text, parts, system)
    for part in parts:
        if not part.strip(". "):
            raise _refused(text, "is absolute, or has an empty part, '.' or '..', or one of dots and spaces")
        if len(part) * 4 > NAME_COMPONENT_MAX_BYTES and len(part.encode()) > NAME_COMPONENT_MAX_BYTES:
            why = f"has a part of more than {NAME_COMPONENT_MAX_BYTES} bytes"
            raise _refused(text, why, Code.NAME_TOO_LONG)
        if part[0] == "." and part.casefold().startswith(RESERVED):
            raise _refused(text, "is reserved for the store itself", Code.NAME_RESERVED)
    return Name(parts)


def decode_name(raw: bytes | str, *, max_bytes: int = NAME_MAX_BYTES) -> str:
    """The text of a name or a pattern, within its bound; raises `RefusedError`."""
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        text = data.decode()
    except UnicodeError:
        raise _refused(raw if isinstance(raw, str) else ascii(raw), "is not UTF-8") from None
    if len(data) > max_bytes:
        raise _refused(text, f"is longer than {max_bytes} bytes", Code.NAME_TOO_LONG)
    return text


def encode_name(text: str) -> bytes:
    """A name or a pattern of the caller's own, as it is asked for; raises `RefusedError`.

    A file of a disk may well be called what no text is (`os.fsdecode` keeps such bytes as surrogates). All
    other rules are those of the side that is asked.
    """
    return decode_name(text).encode()


def is_reserved(part: str) -> bool:
    """Whether this is one of the store's own names, in any disguise that some file system takes off.

    They ignore case, composition and what cannot be seen: those of macOS (as in CVE-2014-9390 of git), and
    ext4 and f2fs in folders with casefold.
    """
    if part.isascii():
        return part[:1] == "." and part.casefold().startswith(RESERVED)
    return unicodedata.normalize("NFKC", _IGNORABLE.sub("", part)).casefold().startswith(RESERVED)


def is_allowed_part(part: str, *, is_first: bool = True) -> bool:
    """Whether a name found on the disk could be asked for: what could not is not shown either.

    `is_first` where a whole name would begin with it, which no drive letter may; deeper it is a letter.
    """
    try:
        check_name(part if is_first else f"{_ANY_FOLDER}/{part}")
    except RefusedError:
        return False
    return "/" not in part


def _check_unusual(text: str, parts: tuple[str, ...], system: System) -> None:
    """What plain ASCII names without a colon cannot break, or `check_name` has seen."""
    if _DRIVE.match(text):
        raise _refused(text, "begins with a drive letter")
    for part in parts:
        if is_reserved(part):
            raise _refused(text, "is reserved for the store itself", Code.NAME_RESERVED)
        if part and not unicodedata.normalize("NFKC", part).strip(". "):
            raise _refused(text, "has a part of nothing but dots and spaces")
        if system is System.WINDOWS and (_WINDOWS_FORBIDDEN.search(part) or _WINDOWS_DEVICE.fullmatch(part)):
            raise _refused(text, "means a device or a stream on this system, or cannot be written there")


def _refused(text: str, why: str, code: Code = Code.NAME_REFUSED) -> RefusedError:
    shown = escape(text if len(text) <= 80 else text[:77] + "...")
    return RefusedError(f"the name '{shown}' {why}", code=code, remedy="use another name")
