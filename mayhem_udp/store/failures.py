"""From the operating system's errors to the project's: a code, a sentence, and what to do next.

Owns the table. A sentence names the file as the peer knows it, never a path of this machine, and is said by
the server; for files of the user's own others are found (`local_failure`, `Explain`).
Never retries, never logs.
"""

import errno
from collections.abc import Callable
from typing import Final

from mayhem_udp.errors import Code, MayhemError, RefusedError, TransferError
from mayhem_udp.escape import escape

_PERMISSION: Final = (
    Code.PERMISSION,
    "the server has no permission for",
    "check owner and mode of the file and its folder there",
)
_BROKEN: Final = {
    errno.ENOSPC: (Code.NO_SPACE, "there is no space left for", "make room, then try again"),
    errno.EDQUOT: (
        Code.QUOTA,
        "the disk quota is used up by",
        "make room or raise the quota, then try again",
    ),
    errno.EFBIG: (Code.FILE_TOO_LARGE, "the file system takes no file as large as", "send a smaller file"),
    errno.EROFS: (Code.READ_ONLY, "the file system is read-only for", "mount it for writing"),
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EMFILE: (Code.TOO_MANY_OPEN_FILES, "too many files are open to take", "try again later"),
    errno.ENFILE: (Code.TOO_MANY_OPEN_FILES, "too many files are open to take", "try again later"),
    errno.EXDEV: (
        Code.IO_ERROR,
        "another file system is mounted at the folder of",
        "serve that one with a root of its own",
    ),
}
"""The machine cannot: the transfer ends, the same one may succeed later."""

_REFUSED: Final = {
    errno.ENOENT: (Code.NOT_FOUND, "there is no", "see what there is with mayhem ls"),
    errno.EISDIR: (Code.IS_DIRECTORY, "there is a folder at", "use another name"),
    errno.ENOTDIR: (
        Code.NOT_REGULAR,
        "a file or a link stands where a folder should be in",
        "use another name",
    ),
    errno.ELOOP: (Code.NOT_REGULAR, "links are not followed, and there is one at", "use another name"),
    errno.ENXIO: (Code.NOT_REGULAR, "a device, a pipe or a socket stands at", "use another name"),
    errno.EEXIST: (Code.IS_DIRECTORY, "there is a folder at", "use another name"),
    errno.ENOTEMPTY: (Code.IS_DIRECTORY, "there is a folder at", "use another name"),
    errno.ENAMETOOLONG: (
        Code.NAME_TOO_LONG,
        "the file system takes no name as long as",
        "use a shorter name",
    ),
}
"""What was asked for makes no sense on this disk: the same will be refused again."""

Explain = Callable[[OSError, object], MayhemError]
"""What `failure` does, in the words of one side: the server's, or those of whoever downloads."""

SPACE_CODES: Final = {Code.NO_SPACE, Code.QUOTA}


def failure(error: OSError, about: object, *, refusal: type[MayhemError] = RefusedError) -> MayhemError:
    """The error to raise for what the system said about a file; `refusal` is the kind for a refused one."""
    number = error.errno or 0
    kind: type[MayhemError] = TransferError
    if number in _REFUSED:
        kind = refusal
        code, sentence, remedy = _REFUSED[number]
    elif number in _BROKEN:
        code, sentence, remedy = _BROKEN[number]
    else:
        code, sentence, remedy = Code.IO_ERROR, f"the disk fails ({error.strerror}) at", "check the disk"
    return kind(f"{sentence} {escape(str(about))}", code=code, remedy=remedy)
