"""What a zip archive says about its members, checked before anything is unpacked.

NumPy's .npz and torch's .pt are zip archives. A small one may claim to unpack to more than any memory holds.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path

from sparseinf.errors import CorruptFileError

__all__ = ["ZIP_ERRORS", "check_zip"]

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises for a damaged archive; RuntimeError is encryption, or a feature it does not have."""

# deflate cannot do better than 1032 : 1.
_MAX_RATIO = 1032


def check_zip(path: str) -> list[zipfile.ZipInfo]:
    """Return the members of an archive whose sizes are possible: unpacked, at most 1032 times the file.

    Raises
    ------
    CorruptFileError
        If it is no zip archive, two members have one name, or the sizes cannot be true.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            members = zipfile.ZipFile(file).infolist()
        except ZIP_ERRORS as error:
            raise CorruptFileError(f"{path}: not a sound zip archive ({error}); is it truncated?") from None
    if len({member.filename for member in members}) != len(members):
        raise CorruptFileError(f"{path}: two members of the archive have the same name")
    if sum(member.compress_size for member in members) > size:
        raise CorruptFileError(f"{path}: the members overlap: together they are larger than the archive")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CorruptFileError(f"{path}: {member.filename!r} is neither stored nor deflated; save it anew")
        most = member.compress_size * (1 if member.compress_type == zipfile.ZIP_STORED else _MAX_RATIO)
        if member.file_size > most:
            raise CorruptFileError(
                f"{path}: {member.filename!r} claims {member.file_size} bytes, but its "
                f"{member.compress_size} bytes in the archive cannot hold more than {most}"
            )
    return members
