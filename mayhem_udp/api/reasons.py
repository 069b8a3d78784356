"""Why one file among many was refused, in the words that it would have had alone.

Owns the sentences for codes that come without one: many small files in one request are answered by codes
alone, to keep the answer small. Never decides anything.
"""

from typing import Final

from mayhem_udp.errors import Code, MayhemError, RefusedError, error_of_code
from mayhem_udp.escape import escape
from mayhem_udp.store.names import check_name

_SENTENCES: Final = {
    Code.NOT_FOUND: "there is no {}; see what there is with mayhem ls",
    Code.IS_DIRECTORY: "there is a folder at {}; use another name",
    Code.NOT_REGULAR: "a link, a device or a file stands in the way at {}; use another name",
    Code.PERMISSION: "the server has no permission for {}; check owner and mode of the file and its folder there",
    Code.ACCESS_DENIED: "{} is not allowed on this server; ask who runs it",
    Code.BUSY: "somebody else is at {} just now; try again in a while",
    Code.NO_SPACE: "there is no space for {}; make room, then try again",
    Code.QUOTA: "there is no quota left for {}; make room, then try again",
    Code.READ_ONLY: "the file system is read-only for {}; mount it for writing",
    Code.IO_ERROR: "the disk fails at {}; check the disk",
    Code.TOO_MANY_OPEN_FILES: "too many files are open to take {}; try again later",
    Code.FILE_TOO_LARGE: "{} is larger than a file may be; send a smaller one, or raise limits.file_size_max",
    Code.STORE_FULL: "the store has no room for {}; remove something, or raise limits.stored_max",
    Code.TOO_MANY_FILES: "the store has too many files to take {}; remove some, or raise limits.files_max",
    Code.INTEGRITY: "{} did not arrive as it was sent; try again",
    Code.SOURCE_CHANGED: "{} changed while it was read; try again",
}
_NAME_CODES: Final = {Code.NAME_REFUSED, Code.NAME_TOO_LONG, Code.NAME_RESERVED}


def error_of_file(code: int, name: str) -> MayhemError:
    """The error of one file among many, of which only the code is known."""
    return error_of_code(code, _of_name(code, name) or _sentence(code).format(escape(name)))


def _sentence(code: int) -> str:
    if code in _NAME_CODES:
        return "{} is no name that the other side takes; use another name"
    known = _SENTENCES.get(Code(code)) if code in set(Code) else None
    return known or "{} was refused"


def _of_name(code: int, name: str) -> str:
    """What is wrong with the name by the rules of both sides; empty where they have nothing against it."""
    if code not in _NAME_CODES:
        return ""
    try:
        check_name(name)
    except RefusedError as error:
        return str(error)
    return ""
